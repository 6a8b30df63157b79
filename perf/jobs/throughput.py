"""What workers get out of a server, beside callers who ask it directly."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx2
import numpy as np
from perf.errors import MeasurementError
from perf.jobs.place import TOKEN, Place, running_worker

from s1_client import AsyncS1Client, ServiceClass, SpeechOptions
from s1_gateway.jobs.ledger import PREFIX
from s1_gateway.jobs.records import Job

TEXTS = (
    "The train to the coast leaves from the second platform.",
    "Please call me back before noon.",
    "It will rain in the north, and later everywhere.",
    "Take the second street on the left.",
)
LONGEST_S = 300.0


class Said(NamedTuple):
    """A text and the seed that it is said with: the same of both sides, and another in each turn."""

    text: str
    seed: int


@dataclass
class WorkerThroughput:
    """Seconds of sound a second, of the same server.

    Args:
        streams: Direct callers, each with one request after another; jobs that the worker speaks at once.
        jobs: Requests of a turn.
        rounds: Turns of each.
        direct_audio_s_per_s: Median of direct callers.
        worker_audio_s_per_s: Median of the worker, from the submission of all jobs to the end of the last.
        ratio: Median of the rounds' ratios.
        least_ratio: Least of them.
        most_ratio: Greatest of them.
        worker_cpu_ms_a_job: CPU time of the worker.
    """

    streams: int
    jobs: int
    rounds: int
    direct_audio_s_per_s: float
    worker_audio_s_per_s: float
    ratio: float
    least_ratio: float
    most_ratio: float
    worker_cpu_ms_a_job: float


def measure_worker_throughput(
    place: Place, server: str, streams: int, jobs: int, rounds: int, seeds: "itertools.count[int]"
) -> WorkerThroughput:
    """Let direct callers and a worker ask in turns for the same.

    Args:
        place: Where jobs are kept.
        server: Host and port of gRPC.
        streams: At once.
        jobs: Requests of a turn.
        rounds: Turns of each.
        seeds: New ones for each turn, so that no job's sound is there already.
    """
    pairs, cpu_ms = [], []
    with running_worker(place, streams) as worker:
        _said_by_worker(place, _texts(streams, seeds))  # the worker knows the weights from then on
        asyncio.run(_said_directly(server, streams, _texts(streams, seeds)))
        for number in range(rounds):
            texts = _texts(jobs, seeds)
            figures = {}
            for side in ("direct", "worker")[:: 1 - 2 * (number % 2)]:
                if side == "direct":
                    figures[side] = asyncio.run(_said_directly(server, streams, texts))
                else:
                    cpu_s = worker.cpu_s()
                    figures[side] = _said_by_worker(place, texts)
                    cpu_ms.append(1e3 * (worker.cpu_s() - cpu_s) / jobs)
            pairs.append((figures["direct"], figures["worker"]))
    direct, by_worker = np.array(pairs).T
    ratios = by_worker / direct
    return WorkerThroughput(
        streams=streams,
        jobs=jobs,
        rounds=rounds,
        direct_audio_s_per_s=float(np.median(direct)),
        worker_audio_s_per_s=float(np.median(by_worker)),
        ratio=float(np.median(ratios)),
        least_ratio=float(ratios.min()),
        most_ratio=float(ratios.max()),
        worker_cpu_ms_a_job=float(np.median(cpu_ms)),
    )


def _texts(number: int, seeds: "itertools.count[int]") -> list[Said]:
    return [Said(text, next(seeds)) for text in itertools.islice(itertools.cycle(TEXTS), number)]


async def _said_directly(server: str, streams: int, texts: Sequence[Said]) -> float:
    left = iter(texts)
    async with AsyncS1Client(server) as client:

        async def ask_on() -> float:
            said_s = 0.0
            for said in left:
                options = SpeechOptions(seed=said.seed, max_frames=4096, service=ServiceClass.NOTE)
                async for chunk in client.stream(said.text, options):
                    said_s += len(chunk.samples) / chunk.sample_rate_hz
            return said_s

        begun_s = time.perf_counter()
        said_s = sum(await asyncio.gather(*(ask_on() for _ in range(streams))))
        return said_s / (time.perf_counter() - begun_s)


def _said_by_worker(place: Place, texts: Sequence[Said]) -> float:
    num_before = place.num_over()
    job_ids = submit_batch(place, [{"text": said.text, "seed": said.seed} for said in texts])
    wait_until_over(place, num_before + len(texts))
    records: Any = place.records()  # its types know nothing of decode_responses
    jobs = [Job.read(job_id, records.hgetall(f"{PREFIX}job:{job_id}")) for job_id in job_ids]
    said_s = sum(job.result.duration_s for job in jobs if job.result is not None)
    ended_s = max(job.completed_s for job in jobs if job.completed_s is not None)
    return said_s / (ended_s - jobs[0].created_s)


def submit_batch(place: Place, items: Sequence[dict[str, object]]) -> list[str]:
    """Submit jobs together; gives their ids.

    Raises:
        MeasurementError: they are refused.
    """
    url = f"http://{place.gateway.address}/v1/audio/speech/batch"
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(url, json=list(items), headers=headers, timeout=60)
    if answer.status_code != 202:
        raise MeasurementError(f"a batch is refused: {answer.status_code} {answer.text}")
    return list(answer.json()["job_ids"])


def wait_until_over(place: Place, number: int) -> None:
    """Wait until so many jobs ever are over.

    Raises:
        MeasurementError: it takes too long, or one failed.
    """
    ends_s = time.monotonic() + LONGEST_S
    while (num_over := place.num_over()) < number:
        if time.monotonic() > ends_s:
            raise MeasurementError(f"{num_over} of {number} jobs are over after {LONGEST_S:.0f} s")
        time.sleep(0.1)
