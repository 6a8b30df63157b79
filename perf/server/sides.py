"""Servers beside each other, in turns: first audio, throughput and processor time of two builds or settings.

    python -m perf sides --server before=127.0.0.1:9001 --server now=127.0.0.1:9101

Start the servers by hand, each from its own working tree and with the same checkpoint and settings. They are asked for
short streams in turns, one stream at a time, then for longer streams of several callers at once; the others idle. Who
goes first changes from round to round. The first server is what the others are compared with.
"""

import argparse
import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median

import psutil
from perf.errors import MeasurementError
from perf.load.generator import LoadGenerator, StreamRequest
from perf.load.measures import summarize
from perf.load.streams import StreamRecord
from perf.load.texts import SampleText
from perf.measurement import add_recording, recorder

from s1_client.options import SpeechOptions
from s1_protocol.names import ServiceClass

TEXT = SampleText("en", "short", "The quick brown fox jumps over the lazy dog.")
SHORT_FRAMES = 8


@dataclass
class Side:
    """A server, and what was measured of it. Lists have a figure a round.

    Args:
        name: Its name.
        url: Host and gRPC port.
        first_audio_ms: Of each short stream, alone.
        short_cpu_ms: Processor time of the server a short stream.
        audio_s_per_s: Sound a second of all callers together.
        cpu_s_per_audio_s: Processor time of the server a second of that sound.
        checksum: Of all samples: the sum of the streams' own, so that different work shows.
    """

    name: str
    url: str
    first_audio_ms: list[float] = field(default_factory=list)
    short_cpu_ms: float = 0.0
    audio_s_per_s: list[float] = field(default_factory=list)
    cpu_s_per_audio_s: list[float] = field(default_factory=list)
    checksum: int = 0

    def server(self) -> psutil.Process:
        """The server's own process, the parent of its models'.

        Raises:
            MeasurementError: nobody of this machine listens there.
        """
        port = int(self.url.rpartition(":")[2])
        listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        pids = {each.pid for each in listening if each.laddr and each.laddr.port == port and each.pid}
        if not pids:
            raise MeasurementError(f"no process of this machine listens on port {port}")
        return psutil.Process(min(pids))

    def take(self, records: list[StreamRecord]) -> None:
        """Look whether streams came whole, and add up their samples.

        Raises:
            MeasurementError: one did not.
        """
        for record in records:
            if not record.is_ok:
                raise MeasurementError(f"{self.name}: {record.outcome}: {record.error}")
            self.checksum += record.checksum


@dataclass(frozen=True)
class Comparison:
    """A side beside the first one: medians, and medians of the pairs that were measured after each other."""

    name: str
    first_audio_ms: float
    first_audio_more_ms: float
    short_cpu_ms: float
    audio_s_per_s: float
    audio_ratio: float
    cpu_s_per_audio_s: float
    cpu_ratio: float

    @classmethod
    def of(cls, side: Side, base: Side) -> "Comparison":
        """Compare two sides."""
        pairs = zip(side.first_audio_ms, base.first_audio_ms, strict=True)
        sound = zip(side.audio_s_per_s, base.audio_s_per_s, strict=True)
        cost = zip(side.cpu_s_per_audio_s, base.cpu_s_per_audio_s, strict=True)
        return cls(
            side.name,
            median(side.first_audio_ms),
            median(mine - other for mine, other in pairs),
            side.short_cpu_ms,
            median(side.audio_s_per_s),
            median(mine / other for mine, other in sound),
            median(side.cpu_s_per_audio_s),
            median(mine / other for mine, other in cost),
        )


@dataclass(frozen=True)
class SidesFigures:
    """What was asked for, and each side."""

    short_streams: int
    rounds: int
    callers: int
    frames: int
    sides: list[Side]
    comparisons: list[Comparison]


def processor_s(server: psutil.Process) -> float:
    """Processor time so far of a server, all its processes together."""
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return sum(each.user + each.system for each in times)


async def ask_short(sides: list[Side], count: int) -> None:
    """Ask all sides for short streams in turns, one stream at a time."""
    async with AsyncExitStack() as stack:
        generators = [await stack.enter_async_context(LoadGenerator(side.url)) for side in sides]
        servers = [side.server() for side in sides]
        pairs = list(zip(sides, generators, servers, strict=True))
        spent_s = {side.name: 0.0 for side in sides}
        for number in range(-3, count):
            for side, generator, server in pairs if number % 2 else pairs[::-1]:
                options = SpeechOptions(seed=max(number, 0), max_frames=SHORT_FRAMES, service=ServiceClass.CALL)
                begun_s = processor_s(server)
                record = await generator.stream(number, StreamRequest(TEXT, options))
                if number >= 0:  # those before warm up
                    spent_s[side.name] += processor_s(server) - begun_s
                    side.take([record])
                    side.first_audio_ms.append((record.first_audio_s or 0.0) * 1e3)
        for side in sides:
            side.short_cpu_ms = spent_s[side.name] / count * 1e3


async def ask_long(side: Side, callers: int, frames: int, *, counts: bool) -> None:
    """Ask one side for streams of several callers at once."""
    requests = [StreamRequest(TEXT, SpeechOptions(seed=seed, max_frames=frames)) for seed in range(callers)]
    async with LoadGenerator(side.url) as generator:
        server = side.server()
        begun_s = processor_s(server)
        records = await generator.closed_loop(requests, callers)
        spent_s = processor_s(server) - begun_s
    if counts:
        side.take(records)
        summary = summarize(records)
        side.audio_s_per_s.append(summary.audio_s_per_s)
        side.cpu_s_per_audio_s.append(spent_s / summary.audio_s)


async def measure(arguments: argparse.Namespace) -> SidesFigures:
    """Give each server its turns; the first round warms up."""
    sides = [Side(name, url) for name, url in arguments.server]
    await ask_short(sides, arguments.short)
    for number in range(-1, arguments.rounds):
        for side in sides if number % 2 else sides[::-1]:
            await ask_long(side, arguments.callers, arguments.frames, counts=number >= 0)
    comparisons = [Comparison.of(side, sides[0]) for side in sides]
    return SidesFigures(arguments.short, arguments.rounds, arguments.callers, arguments.frames, sides, comparisons)


def named_server(argument: str) -> tuple[str, str]:
    """``NAME=HOST:PORT``, as a type of :mod:`argparse`."""
    name, _, url = argument.partition("=")
    if not name or not url.rpartition(":")[2].isdecimal():
        raise argparse.ArgumentTypeError(f"{argument!r}; allowed: NAME=HOST:PORT, a gRPC port of this machine")
    return name, url


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--server", type=named_server, action="append", required=True, metavar="NAME=HOST:PORT")
    parser.add_argument("--short", type=int, default=150, help="short streams of each server (%(default)s)")
    parser.add_argument("--rounds", type=int, default=8, help="turns with several callers (%(default)s)")
    parser.add_argument("--callers", type=int, default=8, help="callers at once (%(default)s)")
    parser.add_argument("--frames", type=int, default=60, help="length of their streams (%(default)s)")
    parser.add_argument("--subject", default="demo-voice", help="what the servers serve (%(default)s)")
    add_recording(parser)


def run(arguments: argparse.Namespace) -> None:
    """Measure, record, and print each side."""
    record = recorder("sides", arguments)
    figures = asyncio.run(measure(arguments))
    record.record(arguments.subject, figures)
    for each in figures.comparisons:
        print(each)
    print(f"recorded in {record.file}")
