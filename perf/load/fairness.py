"""One caller's flood beside another one's short notes: how many slots are given to the flood before each of them?"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from perf.load.callers import Caller, Kind, speak_alone
from perf.load.generator import LoadGenerator, StreamRequest
from perf.load.held_flood import HeldFlood
from perf.load.phases import Phase, settle
from perf.load.scripted_server import Target
from perf.load.streams import Outcome, StreamRecord
from perf.load.texts import SampleText

from s1_client.options import SpeechOptions
from s1_protocol.names import ServiceClass

FLOODER = "flooder"
OTHER = "other"
NOTE_FRAMES = 6
FLOOD_FRAMES = 4096
MOST_TURNS = 0
"""Of two callers who wait, the one without a slot has the next one."""


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
    slots, limit = int(metrics["s1_lm_slots"]), int(metrics["s1_lm_queue_limit"])
    phase = Phase(f"{num_notes} notes beside a flood of {slots + limit} of another caller", most_turns=0)
    options = SpeechOptions(seed=1, service=ServiceClass.NOTE)
    (note,) = await speak_alone(
        generator, [StreamRequest(texts[0], replace(options, max_frames=NOTE_FRAMES), caller=OTHER)]
    )
    flood = StreamRequest(texts[1], replace(options, max_frames=FLOOD_FRAMES), caller=FLOODER)
    numbers = itertools.count()
    failed: list[str] = []

    async def ask(begun: Callable[[], None]) -> bool:
        number = next(numbers)
        record = await generator.stream(
            number, replace(flood, options=replace(flood.options, seed=number)), begun=begun
        )
        if record.outcome is Outcome.FAILED:
            failed.append(f"a stream of the flood ended with {record.error}")
        return record.outcome is not Outcome.REFUSED

    records: list[StreamRecord] = []
    started_s = time.monotonic()
    async with HeldFlood(ask, slots + limit, target.metrics) as held:
        for number in range(num_notes):
            turns, record = await held.turns_beside(lambda begun: generator.stream(-1, note.request, begun=begun))
            records.append(record)
            phase.most_turns = max(phase.most_turns or 0, turns)
            if turns > MOST_TURNS:
                phase.add_faults([f"note {number} waited {turns} turns; allowed: {MOST_TURNS}"])
    phase.judge([Caller(Kind.PLAIN, note.request, note)] * num_notes, records, time.monotonic() - started_s)
    phase.add_faults([*held.faults, *failed])
    await settle(target, phase)
    return phase
