"""How long a caller waits for a job's id, at a steady rate of new jobs."""

import asyncio
import os
import time
from dataclasses import dataclass

import aiohttp
import numpy as np
from perf.jobs.place import CORES, TOKEN, Place, running_place

RATE_PER_S = 200
WARM_UP_S = 2
TEXT = "Number {number}: the train to the coast leaves from the second platform before noon."


@dataclass
class Submitting:
    """Submission at a steady rate; each latency counts from the moment at which its job was due to be sent.

    Args:
        rate_per_s: New jobs a second.
        jobs: How many are counted.
        refused: Of these, as Redis did not answer in time.
        p50_ms: Median latency.
        p99_ms: 99th percentile.
        most_ms: Longest.
        reached_per_s: Answers a second.
        gateway_cpu: Share of its core that the gateway used.
        redis_cpu: Share of a core that Redis used.
        is_pinned: Whether the gateway had a core of its own, and Redis and the callers another.
    """

    rate_per_s: int
    jobs: int
    refused: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    reached_per_s: float
    gateway_cpu: float
    redis_cpu: float
    is_pinned: bool


def measure_submitting(servers: str, duration_s: float) -> Submitting:
    """Submit jobs at a steady rate to a gateway on one core, with Redis on another; no worker takes them.

    Args:
        servers: gRPC addresses of the servers.
        duration_s: How long, after a warm-up.
    """
    is_pinned = len(CORES) > 1
    ours, theirs = (CORES[:1], CORES[1:2]) if is_pinned else (None, None)
    try:
        if theirs:
            os.sched_setaffinity(0, theirs)
        with running_place(servers, gateway_cores=ours, redis_cores=theirs) as place:
            return asyncio.run(_submit_steadily(place, duration_s, is_pinned=is_pinned))
    finally:
        os.sched_setaffinity(0, CORES)


async def _submit_steadily(place: Place, duration_s: float, *, is_pinned: bool) -> Submitting:
    url = f"http://{place.gateway.address}/v1/audio/speech/async"
    latencies_s: list[float] = []
    refused: list[bytes] = []
    headers = {"authorization": f"Bearer {TOKEN}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as http:

        async def submit(number: int, due_s: float) -> None:
            async with http.post(url, json={"text": TEXT.format(number=number)}) as answer:
                told = await answer.read()
            if answer.status != 202:
                refused.append(told)
            latencies_s.append(time.perf_counter() - due_s)

        async def submit_all(numbers: range) -> float:
            begun_s = time.perf_counter()
            under_way = []
            for number in numbers:
                due_s = begun_s + (number - numbers.start) / RATE_PER_S
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                under_way.append(asyncio.create_task(submit(number, due_s)))
            await asyncio.gather(*under_way)
            return time.perf_counter() - begun_s

        num_warm, num_counted = RATE_PER_S * WARM_UP_S, round(RATE_PER_S * duration_s)
        await submit_all(range(num_warm))
        latencies_s.clear()
        refused.clear()
        cpu_s = place.gateway.cpu_s(), place.redis.cpu_s()
        took_s = await submit_all(range(num_warm, num_warm + num_counted))
        used_s = place.gateway.cpu_s() - cpu_s[0], place.redis.cpu_s() - cpu_s[1]
    p50_ms, p99_ms, most_ms = 1e3 * np.percentile(latencies_s, (50, 99, 100))
    return Submitting(
        rate_per_s=RATE_PER_S,
        jobs=num_counted,
        refused=len(refused),
        p50_ms=float(p50_ms),
        p99_ms=float(p99_ms),
        most_ms=float(most_ms),
        reached_per_s=num_counted / took_s,
        gateway_cpu=used_s[0] / took_s,
        redis_cpu=used_s[1] / took_s,
        is_pinned=is_pinned,
    )
