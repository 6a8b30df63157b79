"""First audio through the gateway over a direct stream: one caller at a time, and many at once."""

import asyncio
import random
from dataclasses import dataclass, replace

import numpy as np
from perf.gateway.callers import DIRECT, Call, Callers
from perf.gateway.programs import Program

ONE_TEXT = "Hello there."
MANY_TEXT = "The train to the coast leaves from the second platform."
MOST_PAUSE_S = 1.0
WARM_UP = 5


@dataclass
class FirstAudio:
    """First audio of one way to ask, in milliseconds.

    Args:
        callers: How many at once.
        name: ``direct``, or the format through the gateway.
        requests: How many were timed.
        p50_ms: Median.
        p99_ms: 99th percentile.
        added_p50_ms: Over the direct stream of the same run.
        added_p99_ms: Over the direct stream of the same run.
        gateway_cpu_ms: CPU time of the gateway for a whole request, on average; None: it was not noted.
    """

    callers: int
    name: str
    requests: int
    p50_ms: float
    p99_ms: float
    added_p50_ms: float
    added_p99_ms: float
    gateway_cpu_ms: float | None = None


async def one_caller(ways: Callers, rounds: int, gateway: Program) -> list[FirstAudio]:
    """Ask in turns, one request at a time, and note what each costs the gateway."""
    times: dict[str, list[float]] = {name: [] for name in ways.by_name}
    used_s = dict.fromkeys(ways.by_name, 0.0)
    for number in range(-WARM_UP, rounds):
        for name, call in list(ways.by_name.items())[:: 1 if number % 2 else -1]:
            begun_cpu_s = gateway.cpu_s()
            listener = await call(ONE_TEXT)
            if number >= 0:
                times[name].append(listener.first_ms)
                # in steps of 10 ms, which even out over a hundred requests
                used_s[name] += gateway.cpu_s() - begun_cpu_s
    found = _figures(1, times)
    return [replace(each, gateway_cpu_ms=1e3 * used_s[each.name] / rounds) for each in found]


async def many_callers(ways: Callers, num_callers: int, requests_each: int, rounds: int) -> list[FirstAudio]:
    """Ask from many callers at once, each for one sentence after another in real time; the ways take turns."""
    times: dict[str, list[float]] = {name: [] for name in ways.by_name}
    for number in range(rounds):
        for name, call in list(ways.by_name.items())[:: 1 if number % 2 else -1]:
            asked = (_ask_on(call, requests_each, random.Random(seed)) for seed in range(num_callers))
            times[name] += [first_ms for each in await asyncio.gather(*asked) for first_ms in each]
    return _figures(num_callers, times)


async def _ask_on(call: Call, requests: int, chance: random.Random) -> list[float]:
    firsts_ms = []
    for _ in range(requests):
        await asyncio.sleep(chance.uniform(0, MOST_PAUSE_S))
        firsts_ms.append((await call(MANY_TEXT)).first_ms)
    return firsts_ms


def _figures(num_callers: int, times: dict[str, list[float]]) -> list[FirstAudio]:
    direct_p50, direct_p99 = np.percentile(times[DIRECT], [50, 99])
    found = []
    for name, firsts_ms in times.items():
        p50, p99 = np.percentile(firsts_ms, [50, 99])
        found.append(
            FirstAudio(
                num_callers,
                name,
                len(firsts_ms),
                float(p50),
                float(p99),
                float(p50 - direct_p50),
                float(p99 - direct_p99),
            )
        )
    return found
