"""One caller's flood beside another one's short notes: how many turns does each of them wait?"""

import asyncio
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from perf.load.callers import Caller, Kind, Reference
from perf.load.generator import LoadGenerator, StreamRequest
from perf.load.phases import Phase, settle
from perf.load.scripted_server import Target
from perf.load.streams import StreamRecord

FLOODER = "flooder"
OTHER = "other"
TURNS_A_SLOT = 2
"""A slot may change hands once before the note has one, and once more in the same step as the note."""


def turns_between(sent_s: float, begun_s: float, flood_begun_s: Iterable[float]) -> int:
    """Turns that a note waited: streams of others that began to sound while it did not.

    Args:
        sent_s: When the note was sent.
        begun_s: When it began to sound.
        flood_begun_s: When the others did.
    """
    return sum(sent_s < at_s < begun_s for at_s in flood_begun_s)


async def run_beside_flood(
    target: Target, generator: LoadGenerator, references: Sequence[Reference], num_notes: int
) -> Phase:
    """A flood that keeps its whole share of the queue full, and another caller's notes, one after the other.

    Args:
        target: The server.
        generator: Sends to it.
        references: Notes and calls with their sound; the flood takes the notes in turn, the other caller the first one.
        num_notes: How many notes of the other caller.
    """
    metrics = target.metrics()
    slots, share = int(metrics["s1_lm_slots"]), int(metrics["s1_lm_queue_limit"]) // 2
    most = TURNS_A_SLOT * slots
    phase = Phase(f"{num_notes} notes beside a flood of {slots + share} of another caller", most_turns=0)
    notes = [each for each in references if each.request.options.service == "note"]
    records: list[StreamRecord] = []
    callers: list[Caller] = []
    is_over = asyncio.Event()
    numbers = itertools.count()

    async def send(request: StreamRequest, reference: Reference) -> StreamRecord:
        record = await generator.stream(next(numbers), request)
        callers.append(Caller(Kind.PLAIN, request, reference))
        records.append(record)
        return record

    async def flood(number: int) -> None:
        for turn in itertools.count(number):
            if is_over.is_set():
                return
            reference = notes[turn % len(notes)]
            await send(replace(reference.request, caller=FLOODER), reference)

    started_s = time.monotonic()
    flooding = [asyncio.create_task(flood(number)) for number in range(slots + share)]
    while (  # noqa: ASYNC110  # the server tells nobody but its metrics
        target.metrics()["s1_lm_waiting_sequences"] < share - slots and not any(task.done() for task in flooding)
    ):
        await asyncio.sleep(0.1)
    others: list[StreamRecord] = []
    for _ in range(num_notes):
        others.append(await send(replace(notes[0].request, caller=OTHER), notes[0]))  # noqa: PERF401  # one by one
    is_over.set()
    await asyncio.gather(*flooding)
    phase.judge(callers, records, time.monotonic() - started_s)
    begun_s = [record.chunks[0].at_s for record in records if record.chunks]
    for number, record in enumerate(others):
        if not record.is_ok:
            phase.add_faults([f"note {number} beside the flood ended with {record.outcome}: {record.error}"])
            continue
        turns = turns_between(record.sent_s, record.chunks[0].at_s, begun_s)
        phase.most_turns = max(phase.most_turns or 0, turns)
        if turns > most:
            phase.add_faults([f"note {number} waited {turns} turns beside the flood; allowed: {most}"])
    await settle(target, phase)
    return phase
