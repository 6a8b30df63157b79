"""One caller's flood beside another one's short notes: how many turns does each of them wait?"""

import asyncio
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from perf.load.callers import Caller, Kind, speak_alone
from perf.load.generator import LoadGenerator, StreamRequest
from perf.load.phases import Phase, settle
from perf.load.scripted_server import Target
from perf.load.streams import Outcome, StreamRecord
from perf.load.texts import SampleText

from s1_client.options import SpeechOptions
from s1_protocol.names import ServiceClass

FLOODER = "flooder"
OTHER = "other"
TURNS_A_SLOT = 2
"""A slot may change hands once before the note has one, and once more in the same step as the note."""

REFUSED_S = 0.5
"""Wait of the flood's callers who were refused."""

NOTE_FRAMES = 6
FLOOD_FRAMES = 150
"""A turn takes far longer than the way of a request, which would be counted as turns else."""


def turns_between(sent_s: float, begun_s: float, flood_begun_s: Iterable[float]) -> int:
    """Turns that a note waited: streams of others that began to sound while it did not.

    Args:
        sent_s: When the note was sent.
        begun_s: When it began to sound.
        flood_begun_s: When the others did.
    """
    return sum(sent_s < at_s < begun_s for at_s in flood_begun_s)


async def run_beside_flood(
    target: Target, generator: LoadGenerator, texts: Sequence[SampleText], num_notes: int
) -> Phase:
    """A flood that keeps its whole share of the queue full, and another caller's notes, one after the other.

    Args:
        target: The server.
        generator: Sends to it.
        texts: What is said.
        num_notes: How many notes of the other caller.
    """
    metrics = target.metrics()
    slots, share = int(metrics["s1_lm_slots"]), int(metrics["s1_lm_queue_limit"]) // 2
    phase = Phase(f"{num_notes} notes beside a flood of {slots + share} of another caller", most_turns=0)
    options = SpeechOptions(seed=1, service=ServiceClass.NOTE)
    (note,) = await speak_alone(
        generator, [StreamRequest(texts[0], replace(options, max_frames=NOTE_FRAMES), caller=OTHER)]
    )
    flood = StreamRequest(texts[1], replace(options, max_frames=FLOOD_FRAMES), caller=FLOODER)
    records: list[StreamRecord] = []

    async def ask_on(number: int) -> None:
        for turn in itertools.count():
            seeded = replace(flood, options=replace(flood.options, seed=1000 * number + turn))
            records.append(await generator.stream(number, seeded))
            if records[-1].outcome is Outcome.REFUSED:  # its caller's share is full
                await asyncio.sleep(REFUSED_S)

    flooding = [asyncio.create_task(ask_on(number)) for number in range(slots + share)]
    while (  # noqa: ASYNC110  # the server tells nobody but its metrics
        target.metrics()["s1_lm_waiting_sequences"] < share - slots and not any(task.done() for task in flooding)
    ):
        await asyncio.sleep(0.1)
    started_s = time.monotonic()
    others = [await generator.stream(number, note.request) for number in range(num_notes)]
    seconds = time.monotonic() - started_s
    for task in flooding:
        task.cancel()
    ends = await asyncio.gather(*flooding, return_exceptions=True)
    phase.judge([Caller(Kind.PLAIN, note.request, note)] * num_notes, others, seconds)
    phase.add_faults([f"the flood ended by itself: {end!r}" for end in ends if type(end) is not asyncio.CancelledError])
    failed = [each.error for each in records if each.outcome is Outcome.FAILED]
    phase.add_faults([f"a stream of the flood ended with {error}" for error in failed])
    begun_s = [record.chunks[0].at_s for record in records if record.chunks]
    for number, record in enumerate(others):
        if not record.is_ok:
            phase.add_faults([f"note {number} beside the flood ended with {record.outcome}: {record.error}"])
            continue
        turns = turns_between(record.sent_s, record.chunks[0].at_s, begun_s)
        phase.most_turns = max(phase.most_turns or 0, turns)
        if turns > TURNS_A_SLOT * slots:
            phase.add_faults([f"note {number} waited {turns} turns; allowed: {TURNS_A_SLOT * slots}"])
    await settle(target, phase)
    return phase
