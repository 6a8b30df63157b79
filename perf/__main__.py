"""Measure this project: ``python -m perf NAME`` from the root of the repository.

Every measurement appends one JSON line, with machine, versions, commit and command, to a file in ``perf/results/``.
``python -m perf report`` reads them.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from perf.errors import MeasurementError
from s1_protocol.errors import S1Error
from s1_tts.short_waits import SHORT_WAITS


class Module(Protocol):
    """What a command's module has."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> None:
        """Run the command; errors below are printed in one line."""


class Command(NamedTuple):
    """A command and the module that runs it, which is imported only then."""

    module: str
    summary: str


COMMANDS = {
    "lm": Command("perf.engine.lm", "speed of the language model alone"),
    "codec": Command("perf.engine.codec", "speed of the codec's streaming decoder alone"),
    "voices": Command("perf.server.voices", "first audio in the voice of a recording"),
    "reference": Command("perf.engine.reference", "fish-speech 0.1.0 on the same weights and texts"),
    "rounding": Command("perf.engine.rounding", "what rounded weights do to the language model's distributions"),
    "step": Command("perf.engine.step", "where the time of a decode step goes"),
    "sides": Command("perf.server.sides", "two builds or settings of the server beside each other, in turns"),
    "realtime": Command("perf.server.realtime", "one caller on a CPU: real-time factor, first audio, memory"),
    "client": Command("perf.server.client", "what the client library adds to first audio"),
    "hearing": Command("perf.server.hearing", "what a speech recogniser understands of a server"),
    "bench": Command("perf.server.bench", "a server under load, beside the bare engines and fish-speech"),
    "load": Command("perf.load.load_test", "load, burst and soak test of a server"),
    "memory": Command("perf.server.parts_memory", "memory that server, gateway, worker and Redis take"),
    "siege": Command("perf.siege.siege", "attack a server, a gateway, jobs, and see what is lost"),
    "capacity": Command("perf.capacity.command", "how many GPUs carry a load, simulated"),
    "capacity-day": Command("perf.capacity.day_command", "what a day costs where KEDA starts and ends the GPUs"),
    "capacity-record": Command("perf.capacity.record", "measure costs and runs that the simulation is checked against"),
    "sound": Command("perf.gateway.sound", "what a second of sound costs the gateway in each format"),
    "gpu": Command("perf.gpu.command", "everything that waits for a GPU, in minutes"),
    "gpu-carry": Command("perf.gpu.carry", "pack what a bare GPU machine lacks"),
    "kernels": Command("perf.gpu.kernel_record", "what the kernels take, compiled for GPUs that are not here"),
    "gateway": Command("perf.gateway.command", "what the gateway adds to a direct stream"),
    "jobs": Command("perf.jobs.command", "jobs: submission, throughput of workers, memory"),
    "report": Command("perf.report.command", "a page of tables and pictures of records"),
    "docs": Command("perf.report.docs", "write the tables of docs/ that are made of records"),
}


def main(words: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m perf", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    chosen: Module | None = None
    os.environ.update({**SHORT_WAITS, **os.environ})  # as served; torch reads it when a command loads it
    for name, (module, summary) in COMMANDS.items():
        command = names.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name in words[:1]:
            chosen = importlib.import_module(module)
            command.description = chosen.__doc__
            chosen.add_arguments(command)
    arguments = parser.parse_args(words)
    assert chosen is not None, "the parser refuses other names"
    try:
        chosen.run(arguments)
    except (MeasurementError, S1Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
