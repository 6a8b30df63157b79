"""Many streams in real time at once: underruns, memory and CPU time of the gateway's process."""

import asyncio
import time
from dataclasses import dataclass

from perf.gateway.callers import Call, Callers
from perf.gateway.hearing import Listener
from perf.gateway.programs import Program

TEXT = ("The train to the coast leaves from the second platform. " * 6)[:290]
"""One request's worth, 19 s; the longest that the gateway does not cut into sentences is 300 characters."""

DIRECT_SHARE = 10
"""One direct stream is heard beside so many through the gateway."""

SPREAD_S = 6.0
"""Streams begin over so many seconds."""

LOOK_S = 12.0
"""When memory is looked at, all streams being open."""


@dataclass
class Streams:
    """Streams in real time at once.

    Args:
        format: Of the sound.
        streams: Through the gateway.
        with_underruns: Of them, whose playback had to wait.
        underruns: Times that it had to.
        direct_streams: Direct ones beside them, at the same time.
        direct_with_underruns: Of them, whose playback had to wait.
        memory_mb_a_stream: Of the gateway, over what it had before; both its own alone.
        cpu_ms_a_second: CPU time of the gateway for a second of sound.
        cores: That the gateway kept busy.
    """

    format: str
    streams: int
    with_underruns: int
    underruns: int
    direct_streams: int
    direct_with_underruns: int
    memory_mb_a_stream: float
    cpu_ms_a_second: float
    cores: float


async def many_streams(ways: Callers, sound: str, num_streams: int, gateway: Program) -> Streams:
    """Hear many streams to their end.

    Args:
        ways: How to ask.
        sound: Format through the gateway.
        num_streams: Through the gateway; a tenth as many come directly beside them.
        gateway: Its process.
    """
    num_direct = num_streams // DIRECT_SHARE
    idle_mb, begun_cpu_s, begun_s = gateway.memory_mb(), gateway.cpu_s(), time.perf_counter()
    calls = [ways.through[sound]] * num_streams + [ways.direct] * num_direct
    # direct ones begin among the others, not after them
    places = [place / num_streams for place in range(num_streams)]
    places += [place / num_direct for place in range(num_direct)]
    heard = asyncio.gather(*(_hear_later(call, SPREAD_S * place) for call, place in zip(calls, places, strict=True)))
    await asyncio.sleep(LOOK_S)
    open_mb = gateway.memory_mb()
    listeners = await heard
    used_s = gateway.cpu_s() - begun_cpu_s
    took_s = time.perf_counter() - begun_s
    through, direct = listeners[:num_streams], listeners[num_streams:]
    return Streams(
        format=sound,
        streams=num_streams,
        with_underruns=sum(bool(each.underruns) for each in through),
        underruns=sum(each.underruns for each in through),
        direct_streams=num_direct,
        direct_with_underruns=sum(bool(each.underruns) for each in direct),
        memory_mb_a_stream=(open_mb - idle_mb) / num_streams,
        cpu_ms_a_second=used_s * 1e3 / sum(each.sound_s for each in through),
        cores=used_s / took_s,
    )


async def _hear_later(call: Call, wait_s: float) -> Listener:
    await asyncio.sleep(wait_s)
    return await call(TEXT)
