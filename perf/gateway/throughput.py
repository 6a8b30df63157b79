"""Throughput of a real server through the gateway, beside direct streams."""

import asyncio
import itertools
import time
from dataclasses import dataclass

import numpy as np
from perf.gateway.callers import Call, Callers

TEXTS = (
    "The train to the coast leaves from the second platform.",
    "Please call me back before noon.",
    "It will rain in the north, and later everywhere.",
    "Take the second street on the left.",
)


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
    """

    callers: int
    rounds: int
    direct_audio_s_per_s: float
    through_audio_s_per_s: float
    ratio: float
    least_ratio: float
    most_ratio: float


async def measure_throughput(ways: Callers, num_callers: int, requests: int, rounds: int) -> Throughput:
    """Ask directly and through the gateway in turns.

    Args:
        ways: How to ask.
        num_callers: At once.
        requests: Of a turn, all callers together.
        rounds: Turns of each.
    """
    pcm = ways.through["pcm"]
    await _audio_s_per_s(ways.direct, num_callers, num_callers)
    pairs = []
    for number in range(rounds):
        turn = [
            await _audio_s_per_s(call, num_callers, requests) for call in (ways.direct, pcm)[:: 1 - 2 * (number % 2)]
        ]
        pairs.append(turn[:: 1 - 2 * (number % 2)])
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
    )


async def _audio_s_per_s(call: Call, num_callers: int, requests: int) -> float:
    begun_s = time.perf_counter()
    sound_s = await hear_all(call, num_callers, requests)
    return sound_s / (time.perf_counter() - begun_s)


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
