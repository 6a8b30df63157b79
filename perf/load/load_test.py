"""Load and soak tests of a real server; ends with code 1 and a list when something was wrong.

    python -m perf load --checkpoint DIR [--soak-minutes 10]

Some requests are first spoken alone. Then come so many streams at a time, a burst of 10 times what the server takes,
one caller's flood beside another one's notes, and a soak with callers that leave, read slowly or ask for what is not
allowed. It passes when

- every stream that was taken came whole, with exactly the samples that its request has alone (float32 on a CPU);
- every refusal was UNAVAILABLE, before any sound;
- a note beside another caller's flood had the next slot that became free;
- after each phase no slot, stream, state or waiting request is left (the server's metrics);
- no process's memory grows over the soak (linear regression, after a warm-up);
- the processes are the same at the end, and the server stops with code 0 and leaves nothing behind.

A server that dies ends the test at once, with the end of its log.
"""

import argparse
import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from perf.errors import MeasurementError
from perf.load.callers import sample_requests
from perf.load.fairness import run_beside_flood
from perf.load.generator import LoadGenerator
from perf.load.memory import MemoryWatch, Trend
from perf.load.phases import Phase, run_alone, run_burst, run_level, run_soak
from perf.load.scripted_server import ScriptedServer, Target
from perf.load.texts import read_texts
from perf.measurement import add_subject, recorder

NUM_REFERENCES = 8
STREAM_TIMEOUT_S = 300.0
"""A stream that takes longer counts as failed; none is waited for without end."""

WARM_UP_SHARE = 0.3
"""Share of the soak that is not judged: caches fill, and the allocators take what they keep."""

SHORTEST_JUDGED_MIN = 2.0


@dataclass(frozen=True)
class LoadFigures:
    """Everything that a load test found.

    Args:
        phases: What was done, and what came of it.
        memory: Trend of each process's memory over the soak, without its warm-up.
        slope_limit_mb_per_min: Growth that counts as flat.
        memory_faults: Processes whose memory was not flat.
        shutdown_faults: What was wrong with the server's end.
    """

    phases: list[Phase]
    memory: list[Trend]
    slope_limit_mb_per_min: float
    memory_faults: list[str]
    shutdown_faults: list[str]

    @property
    def faults(self) -> list[str]:
        """Everything that was wrong."""
        of_phases = [f"{phase.name}: {fault}" for phase in self.phases for fault in phase.faults]
        return [*of_phases, *self.memory_faults, *(f"stopping: {fault}" for fault in self.shutdown_faults)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser)
    parser.add_argument("--concurrency", type=int, nargs="*", default=[5, 10, 20, 50, 200], help="streams at a time")
    parser.add_argument("--max-frames", type=int, default=40, help="longest stream, in frames (%(default)s)")
    parser.add_argument("--burst", type=float, default=10.0, help="times the server's capacity; 0: no burst")
    parser.add_argument("--notes", type=int, default=20, help="notes beside another caller's flood; 0: no flood")
    parser.add_argument("--soak-minutes", type=float, default=10.0, help="0: no soak")
    parser.add_argument("--soak-concurrency", type=int, default=12, help="callers of the soak (%(default)s)")
    parser.add_argument("--slope-limit", type=float, default=1.0, help="MB a minute that count as flat (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the soak's callers")
    parser.add_argument("--server-log", type=Path, help="file for the server's log; default: one in a new folder")


async def run_phases(server: ScriptedServer, watch: MemoryWatch, arguments: argparse.Namespace) -> list[Phase]:
    """Run every phase, one after the other."""
    target: Target = server.target
    texts = [text for text in read_texts() if text.length == "short"]
    phases: list[Phase] = []
    async with LoadGenerator(target.url, STREAM_TIMEOUT_S) as generator:
        requests = sample_requests(texts, NUM_REFERENCES, arguments.max_frames)
        references = await run_alone(target, generator, requests)
        for concurrency in arguments.concurrency:
            phases.append(await run_level(target, generator, references, concurrency, max(2 * concurrency, 20)))
            _tell(phases[-1])
        if arguments.burst:
            phases.append(await run_burst(target, generator, references, arguments.burst))
            _tell(phases[-1])
        if arguments.notes:
            phases.append(await run_beside_flood(target, generator, texts, arguments.notes))
            _tell(phases[-1])
        if arguments.soak_minutes:
            with watch:
                phases.append(
                    await run_soak(
                        target,
                        generator,
                        references,
                        minutes=arguments.soak_minutes,
                        concurrency=arguments.soak_concurrency,
                        seed=arguments.seed,
                    )
                )
            _tell(phases[-1])
    return phases


def _tell(phase: Phase) -> None:
    print(
        f"{phase.name}: {phase.requests} requests, {phase.completed} complete, {phase.refused} refused, "
        f"{phase.left} left, {phase.rejected} bad; {phase.seconds:.0f} s, {len(phase.faults)} faults"
        f"{'' if phase.most_turns is None else f', a note waited {phase.most_turns} turns at most'}",
        flush=True,
    )


def judge_memory(watch: MemoryWatch, arguments: argparse.Namespace) -> tuple[list[Trend], list[str]]:
    """Trends of the soak, and those that are not flat; none of a soak that is too short to tell."""
    if arguments.soak_minutes * (1 - WARM_UP_SHARE) < SHORTEST_JUDGED_MIN:
        return [], []
    trends = watch.trends(WARM_UP_SHARE)
    limit = arguments.slope_limit
    growing = [
        f"memory of {trend.name} grows by {trend.slope_mb_per_min:.2f} MB/min"
        for trend in trends
        if trend.grows_over(limit)
    ]
    return trends, growing


def measure(arguments: argparse.Namespace) -> LoadFigures:
    """Start a server, run all phases, stop it."""
    os.environ.setdefault("S1_DTYPE", "float32")  # what the server starts with; only then are samples exact
    started_s = time.monotonic()
    with ScriptedServer(arguments.checkpoint, ("--device", arguments.device), log=arguments.server_log) as server:
        processes = server.target.process_ids()
        watch = MemoryWatch(server.target.process_id, server.shared_memory_bytes, interval_s=1.0)
        phases = asyncio.run(server.watch(run_phases(server, watch, arguments)))
        trends, growing = judge_memory(watch, arguments)
        shutdown_faults = [] if server.is_alive() else ["the server was gone before it was stopped"]
        if server.is_alive() and server.target.process_ids() != processes:
            shutdown_faults.append("the server's processes are not those of the start: one has crashed")
        shutdown_faults += server.stop()
    print(f"took {time.monotonic() - started_s:.0f} s; the server's log: {server.log}", flush=True)
    return LoadFigures(phases, trends, arguments.slope_limit, growing, shutdown_faults)


def run(arguments: argparse.Namespace) -> None:
    """Test and record.

    Raises:
        MeasurementError: something was wrong; every fault is in the record and in the message.
    """
    made = recorder("load", arguments)
    figures = measure(arguments)
    made.record(arguments.checkpoint.name, figures)
    print(f"recorded in {made.file}")
    if figures.faults:
        raise MeasurementError("\n".join([f"{len(figures.faults)} faults", *figures.faults]))
