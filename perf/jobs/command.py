"""Jobs: how long a submission takes, what workers get out of a server, what a worker costs.

    python -m perf jobs [--checkpoint DIR] [--out DIR]

A server that costs nothing stands in for Triton; with a checkpoint, throughput is measured with a real one as well.
Needs ``redis-server``.
"""

import argparse
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perf.conditions import load_average
from perf.gateway import programs
from perf.jobs.memory import WorkerMemory, measure_memory
from perf.jobs.place import running_place
from perf.jobs.submitting import Submitting, measure_submitting
from perf.jobs.throughput import WorkerThroughput, measure_worker_throughput
from perf.measurement import add_recording, folder, recorder
from perf.server.running import running_server, url_of

STREAMS = (8, 32)
SPEEDUP = 4.0
JOBS_A_STREAM = 12
READY = r"ready on (\S+)"


@dataclass
class JobFigures:
    """Jobs, before a server that costs nothing.

    Args:
        submitting: How long a submission takes.
        speedup: How much faster than real time the server spoke for the throughput.
        throughput: Workers beside direct callers.
        memory: Of a worker, with a server that waits for nothing.
        load_averages: Of the machine before each part and at the end.
    """

    speedup: float
    submitting: Submitting | None = None
    throughput: list[WorkerThroughput] = field(default_factory=list)
    memory: WorkerMemory | None = None
    load_averages: list[float] = field(default_factory=list)


@dataclass
class RealJobFigures:
    """A real server's throughput; ``load_averages`` before and after."""

    throughput: list[WorkerThroughput]
    load_averages: list[float]


def measure(arguments: argparse.Namespace) -> JobFigures:
    """Measure before the server that costs nothing."""
    figures = JobFigures(SPEEDUP, load_averages=[load_average()])
    with programs.running(programs.stand_in(), READY) as server:
        figures.submitting = measure_submitting(server.address, arguments.seconds)
        figures.load_averages.append(load_average())
        with running_place(server.address) as place:
            figures.memory = measure_memory(place, arguments.jobs)
    figures.load_averages.append(load_average())
    with programs.running(programs.stand_in(speedup=SPEEDUP), READY) as server:
        figures.throughput = _throughputs(server.address, lambda streams: JOBS_A_STREAM * streams, arguments.rounds)
    figures.load_averages.append(load_average())
    return figures


def measure_real(arguments: argparse.Namespace) -> RealJobFigures:
    """Measure before a real server."""
    loads = [load_average()]
    with running_server(arguments.checkpoint, arguments.device) as server:
        found = _throughputs(url_of(server), lambda streams: max(streams, arguments.requests), arguments.real_rounds)
    return RealJobFigures(found, [*loads, load_average()])


def _throughputs(server: str, jobs: Callable[[int], int], rounds: int) -> list[WorkerThroughput]:
    seeds = itertools.count(1)
    with running_place(server) as place:
        return [measure_worker_throughput(place, server, streams, jobs(streams), rounds, seeds) for streams in STREAMS]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    number: dict[str, Any] = {"type": int, "metavar": "N"}
    parser.add_argument("--checkpoint", type=folder, metavar="DIR", help="of a real server; none: leave it out")
    add_recording(parser)
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="of submission (%(default)s)")
    parser.add_argument("--jobs", default=10_000, help="that a worker does while it is watched (%(default)s)", **number)
    parser.add_argument("--rounds", default=2, help="turns (%(default)s)", **number)
    parser.add_argument("--real-rounds", default=2, help="turns with a real server (%(default)s)", **number)
    parser.add_argument("--requests", default=32, help="of a turn with a real server (%(default)s)", **number)
    parser.add_argument("--real-only", action="store_true", help="only the real server")


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    found = recorder("jobs", arguments)
    if not arguments.real_only:
        found.print_and_record("stand-in", measure(arguments))
    if arguments.checkpoint is not None:
        found.print_and_record(arguments.checkpoint.name, measure_real(arguments))
