"""What the gateway adds to a direct stream: first audio, memory, CPU time, underruns, throughput.

    python -m perf gateway [--checkpoint DIR] [--out DIR]

Everything is measured beside bare ``tritonclient`` streams in the same run: against a server that costs nothing and
sends each chunk half a second before its playback, and, with a checkpoint, against a real one. Listeners play from the
first sound on, without a buffer.
"""

import argparse
import asyncio
from dataclasses import dataclass, field

from perf.conditions import load_average
from perf.gateway import programs
from perf.gateway.callers import callers
from perf.gateway.costs import Costs, measure_costs
from perf.gateway.first_audio import FirstAudio, many_callers, one_caller
from perf.gateway.programs import Program
from perf.gateway.streams import Streams, many_streams
from perf.gateway.throughput import Throughput, measure_throughput
from perf.measurement import add_recording, folder, recorder
from perf.server.processes import ProcessGroup
from perf.server.running import running_server, url_of

from s1_tts.serving.repository import Profile
from s1_tts.serving.server import TritonServer

AHEAD_S = 0.5
MANY = 50
STREAMS = {"pcm": 300, "opus": 100}
REAL_CALLERS = (8, 32)
QUEUE = 64
COST_ROUNDS = 3


@dataclass
class GatewayFigures:
    """What the gateway adds; all against the server that costs nothing.

    Args:
        ahead_s: How long before its playback a chunk was sent.
        first_audio: By number of callers and way to ask.
        streams: Many at once in real time.
        costs: Where the time goes.
        load_averages: Of the machine before each part: first audio of one, of many, streams, at the end.
    """

    ahead_s: float
    first_audio: list[FirstAudio] = field(default_factory=list)
    streams: list[Streams] = field(default_factory=list)
    costs: Costs | None = None
    load_averages: list[float] = field(default_factory=list)


@dataclass
class RealFigures:
    """A real server's throughput; ``load_averages`` before and after."""

    throughput: list[Throughput]
    load_averages: list[float]


def measure(rounds: int) -> GatewayFigures:
    """Measure against the server that costs nothing."""
    figures = GatewayFigures(AHEAD_S)
    with (
        programs.running(programs.stand_in(ahead_s=AHEAD_S), r"ready on (\S+)") as server,
        programs.running(programs.gateway(server.address), r"ready on http://(\S+)") as gateway,
    ):
        asyncio.run(_heard(server, gateway, rounds, figures))
        pcm, opus = (each.cpu_ms_a_second for each in figures.streams[-len(STREAMS) :])
        figures.costs = measure_costs(server.address, COST_ROUNDS, pcm, opus)
    figures.load_averages.append(load_average())
    return figures


async def _heard(server: Program, gateway: Program, rounds: int, figures: GatewayFigures) -> None:
    async with callers(server.address, gateway.address) as ways:
        figures.load_averages.append(load_average())
        figures.first_audio += await one_caller(ways, 20 * rounds, gateway)
        figures.load_averages.append(load_average())
        figures.first_audio += await many_callers(ways, MANY, 2, rounds)
        figures.load_averages.append(load_average())
        for sound, number in STREAMS.items():
            figures.streams.append(await many_streams(ways, sound, number, gateway))


def measure_real(arguments: argparse.Namespace) -> RealFigures:
    """Measure against a real server."""
    settings = {"max_slots": "8", "max_queue": str(QUEUE)}
    loads = [load_average()]
    with (
        running_server(arguments.checkpoint, arguments.device, profile=Profile.CALLS, settings=settings) as server,
        programs.running(programs.gateway(url_of(server)), r"ready on http://(\S+)") as gateway,
    ):
        found = asyncio.run(_throughputs(server, gateway, arguments))
    return RealFigures(found, [*loads, load_average()])


async def _throughputs(server: TritonServer, gateway: Program, arguments: argparse.Namespace) -> list[Throughput]:
    processes = ProcessGroup(server.process_id)
    async with callers(url_of(server), gateway.address) as ways:
        return [
            await measure_throughput(
                ways, number, max(number, arguments.requests), arguments.real_rounds, processes, gateway
            )
            for number in REAL_CALLERS
        ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--checkpoint", type=folder, metavar="DIR", help="of a real server; none: leave it out")
    add_recording(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--real-rounds", type=int, default=4, help="turns with a real server (%(default)s)")
    parser.add_argument("--requests", type=int, default=32, help="of a turn with a real server (%(default)s)")
    parser.add_argument("--real-only", action="store_true", help="only the real server")


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    found = recorder("gateway", arguments)
    if not arguments.real_only:
        found.print_and_record("stand-in", measure(arguments.rounds))
    if arguments.checkpoint is not None:
        found.print_and_record(arguments.checkpoint.name, measure_real(arguments))
