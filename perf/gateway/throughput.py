"""Throughput of a real server through the gateway, beside direct streams."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field

import numpy as np
from perf.gateway.callers import Call, Callers
from perf.gateway.programs import Program
from perf.server.processes import ProcessGroup

TEXTS = (
    "The train to the coast leaves from the second platform.",
    "Please call me back before noon.",
    "It will rain in the north, and later everywhere.",
    "Take the second street on the left.",
)


@dataclass
class CpuShares:
    """CPU time for a second of sound, in milliseconds; medians of the turns.

    Args:
        server_ms: Of all the server's processes.
        gateway_ms: Of the gateway.
        callers_ms: Of the process that asks and listens.
    """

    server_ms: float
    gateway_ms: float
    callers_ms: float


@dataclass
class Throughput:
    """Seconds of sound a second, of the same server.

    Args:
        callers: How many at once, each with one request after another.
        rounds: Turns.
        direct_audio_s_per_s: Median of direct streams.
        through_audio_s_per_s: Median through the gateway, pcm.
        ratio: Median of the rounds' ratios.
        least_ratio: Least of them.
        most_ratio: Greatest of them.
        direct_cpu: Who used the CPUs meanwhile; None: older records do not tell.
        through_cpu: The same through the gateway.
    """

    callers: int
    rounds: int
    direct_audio_s_per_s: float
    through_audio_s_per_s: float
    ratio: float
    least_ratio: float
    most_ratio: float
    direct_cpu: CpuShares | None = None
    through_cpu: CpuShares | None = None


@dataclass
class CpuWatch:
    """Notes who uses the CPUs while sound is heard.

    Args:
        server: The server's processes.
        gateway: The gateway's.
        turns: CPU seconds for a second of sound, of server, gateway and callers, a row a turn.
    """

    server: ProcessGroup
    gateway: Program
    turns: list[tuple[float, ...]] = field(default_factory=list)

    def now_s(self) -> tuple[float, float, float]:
        """CPU seconds until now."""
        return self.server.cpu_s(), self.gateway.cpu_s(), time.process_time()

    def shares(self) -> CpuShares:
        """Medians of the turns."""
        server, gateway, callers = 1e3 * np.median(np.array(self.turns), axis=0)
        return CpuShares(float(server), float(gateway), float(callers))


async def measure_throughput(
    ways: Callers, num_callers: int, requests: int, rounds: int, server: ProcessGroup, gateway: Program
) -> Throughput:
    """Ask directly and through the gateway in turns.

    Args:
        ways: How to ask.
        num_callers: At once.
        requests: Of a turn, all callers together.
        rounds: Turns of each.
        server: Its processes.
        gateway: Its process.
    """
    sides = [(ways.direct, CpuWatch(server, gateway)), (ways.through["pcm"], CpuWatch(server, gateway))]
    await hear_all(ways.direct, num_callers, num_callers)
    pairs = []
    for number in range(rounds):
        order = 1 - 2 * (number % 2)
        turn = [await _audio_s_per_s(call, num_callers, requests, watch) for call, watch in sides[::order]]
        pairs.append(turn[::order])
    direct, through = np.array(pairs).T
    ratios = through / direct
    return Throughput(
        callers=num_callers,
        rounds=rounds,
        direct_audio_s_per_s=float(np.median(direct)),
        through_audio_s_per_s=float(np.median(through)),
        ratio=float(np.median(ratios)),
        least_ratio=float(ratios.min()),
        most_ratio=float(ratios.max()),
        direct_cpu=sides[0][1].shares(),
        through_cpu=sides[1][1].shares(),
    )


async def _audio_s_per_s(call: Call, num_callers: int, requests: int, watch: CpuWatch) -> float:
    begun_s, begun_cpu_s = time.perf_counter(), watch.now_s()
    sound_s = await hear_all(call, num_callers, requests)
    took_s = time.perf_counter() - begun_s
    used = zip(watch.now_s(), begun_cpu_s, strict=True)
    watch.turns.append(tuple((now_s - then_s) / sound_s for now_s, then_s in used))
    return sound_s / took_s


async def hear_all(call: Call, num_callers: int, requests: int) -> float:
    """Hear texts, each caller one after another; gives the seconds of sound of all.

    Args:
        call: How to ask.
        num_callers: At once.
        requests: Of all callers together.
    """
    texts = itertools.islice(itertools.cycle(TEXTS), requests)

    async def ask_on() -> float:
        return sum([(await call(text)).sound_s for text in texts])

    return sum(await asyncio.gather(*(ask_on() for _ in range(num_callers))))
