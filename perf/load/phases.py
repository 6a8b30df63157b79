"""Phases of a load test against a running server; each notes what was wrong."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from perf.load.callers import Caller, Kind, Reference, plain_callers, soak_callers, speak_alone
from perf.load.generator import LoadGenerator, StreamRequest
from perf.load.scripted_server import Target
from perf.load.streams import Outcome, StreamRecord

MOST_FAULTS_TOLD = 20
SETTLE_S = 1.5
"""Metrics change once a second."""


@dataclass
class Phase:
    """What came of one phase.

    Args:
        name: What was done.
        requests: Requests sent.
        completed: Streams that came whole, with the samples that they have alone.
        refused: Requests refused with UNAVAILABLE before any sound.
        left: Streams that their callers left.
        rejected: Invalid requests that got their error.
        seconds: Length of the phase.
        audio_s_per_s: Seconds of sound a second, all streams together.
        first_audio_p50_ms: Median time to first audio of the completed streams; none without any.
        faults: What was wrong.
        most_turns: Turns that one caller's note waited at most beside another one's flood; none where there was none.
    """

    name: str
    requests: int = 0
    completed: int = 0
    refused: int = 0
    left: int = 0
    rejected: int = 0
    seconds: float = 0.0
    audio_s_per_s: float = 0.0
    first_audio_p50_ms: float | None = None
    faults: list[str] = field(default_factory=list)
    most_turns: int | None = None

    def judge(self, callers: Sequence[Caller], records: Sequence[StreamRecord], seconds: float) -> None:
        """Count what came and note what was wrong with it."""
        faults = [fault for caller, record in zip(callers, records, strict=True) if (fault := caller.fault(record))]
        outcomes = Counter(record.outcome for record in records)
        self.requests = len(records)
        self.completed = outcomes[Outcome.OK]
        self.refused = outcomes[Outcome.REFUSED]
        self.left = outcomes[Outcome.CANCELLED]
        self.rejected = sum(
            caller.kind is Kind.BAD and not caller.fault(record)
            for caller, record in zip(callers, records, strict=True)
        )
        self.seconds = seconds
        self.audio_s_per_s = sum(record.audio_s for record in records) / seconds
        first_s = [record.first_audio_s for record in records if record.is_ok and record.first_audio_s is not None]
        self.first_audio_p50_ms = median(first_s) * 1e3 if first_s else None
        self.add_faults(faults)

    def add_faults(self, faults: Sequence[str]) -> None:
        """Note what was wrong; of many, the first and their number."""
        self.faults += faults[:MOST_FAULTS_TOLD]
        if len(faults) > MOST_FAULTS_TOLD:
            self.faults.append(f"and {len(faults) - MOST_FAULTS_TOLD} more like these")


async def run_alone(target: Target, generator: LoadGenerator, requests: Sequence[StreamRequest]) -> list[Reference]:
    """Speak each request alone, and wait until the server has counted them.

    Raises:
        MeasurementError: one of them did not come whole.
    """
    references = await speak_alone(generator, requests)
    await asyncio.sleep(SETTLE_S)
    await asyncio.to_thread(target.leaks)
    return references


async def run_level(
    target: Target, generator: LoadGenerator, references: Sequence[Reference], concurrency: int, count: int
) -> Phase:
    """So many streams at a time; each that ends or is refused makes room for the next."""
    phase = Phase(f"{concurrency} at a time")
    finished = target.outcome("finished") + target.outcome("cut")
    callers = plain_callers(references, count)
    started_s = time.monotonic()
    records = await generator.closed_loop([caller.request for caller in callers], concurrency)
    phase.judge(callers, records, time.monotonic() - started_s)
    await settle(target, phase)
    counted = target.outcome("finished") + target.outcome("cut") - finished
    if counted != phase.completed:
        phase.add_faults([f"the server counts {counted:g} finished streams, the callers {phase.completed}"])
    return phase


async def run_burst(
    target: Target, generator: LoadGenerator, references: Sequence[Reference], times_capacity: float
) -> Phase:
    """All at once, so many times what the server takes."""
    capacity = target.capacity()
    count = round(times_capacity * capacity)
    phase = Phase(f"burst of {count}, {times_capacity:g} times the capacity of {capacity} of a class")
    callers = plain_callers(references, count)
    started_s = time.monotonic()
    records = await generator.open_loop([caller.request for caller in callers], [0.0] * count)
    phase.judge(callers, records, time.monotonic() - started_s)
    if not phase.refused:
        phase.add_faults(["nobody was refused, so this was no burst over the capacity"])
    await settle(target, phase)
    return phase


async def run_soak(
    target: Target,
    generator: LoadGenerator,
    references: Sequence[Reference],
    *,
    minutes: float,
    concurrency: int,
    seed: int,
) -> Phase:
    """Callers of all kinds, so many at a time, for so long."""
    phase = Phase(f"soak of {minutes:g} minutes, {concurrency} at a time")
    endless = soak_callers(references, random.Random(seed))
    callers: list[Caller] = []
    records: list[StreamRecord] = []
    started_s = time.monotonic()

    async def call_on() -> None:
        while time.monotonic() - started_s < minutes * 60:
            caller = next(endless)
            index = len(callers)
            callers.append(caller)
            record = await generator.stream(index, caller.request)
            records.append(record)

    await asyncio.gather(*(call_on() for _ in range(concurrency)))
    records.sort(key=lambda record: record.index)
    phase.judge(callers, records, time.monotonic() - started_s)
    await settle(target, phase)
    return phase


async def settle(target: Target, phase: Phase) -> None:
    """Wait until nothing is held, and note what still is."""
    await asyncio.sleep(SETTLE_S)
    phase.add_faults([f"leaked: {held}" for held in await asyncio.to_thread(target.leaks)])
