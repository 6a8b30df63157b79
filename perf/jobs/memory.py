"""What a worker costs in memory, and whether that grows."""

import time
from dataclasses import dataclass

from perf.jobs.place import Place, running_worker
from perf.jobs.throughput import LONGEST_S, submit_batch

STREAMS = 64
TEXT = "Number {number}: the train to the coast leaves from the second platform."
BATCH = 1000


@dataclass
class WorkerMemory:
    """Memory of one worker process of many streams; megabytes that are its own.

    Args:
        streams: Jobs at once.
        jobs: Jobs that it did.
        idle_mb: Before the first.
        early_mb: Median while the second tenth of its jobs was done.
        late_mb: Median while the last tenth was done.
        most_mb: Most that ever was seen.
        jobs_per_s: Jobs a second, with a server that waits for nothing.
        cpu_ms_a_job: CPU time of the worker.
    """

    streams: int
    jobs: int
    idle_mb: float
    early_mb: float
    late_mb: float
    most_mb: float
    jobs_per_s: float
    cpu_ms_a_job: float


def measure_memory(place: Place, jobs: int) -> WorkerMemory:
    """Do many jobs, and watch.

    Args:
        place: Where jobs are kept; its server waits for nothing.
        jobs: How many.
    """
    with running_worker(place, STREAMS) as worker:
        idle_mb, cpu_s = worker.memory_mb(), worker.cpu_s()
        num_before = place.num_over()
        begun_s = time.monotonic()
        for first in range(0, jobs, BATCH):
            numbers = range(first, min(jobs, first + BATCH))
            submit_batch(place, [{"text": TEXT.format(number=number)} for number in numbers])
        seen: list[tuple[float, float]] = []
        while (done := (place.num_over() - num_before) / jobs) < 1 and time.monotonic() < begun_s + LONGEST_S:
            seen.append((done, worker.memory_mb()))
            time.sleep(0.2)
        took_s = time.monotonic() - begun_s
        return WorkerMemory(
            streams=STREAMS,
            jobs=round(done * jobs),
            idle_mb=idle_mb,
            early_mb=_median(seen, 0.1, 0.2),
            late_mb=_median(seen, 0.9, 1.0),
            most_mb=max(mb for _, mb in seen),
            jobs_per_s=done * jobs / took_s,
            cpu_ms_a_job=1e3 * (worker.cpu_s() - cpu_s) / (done * jobs),
        )


def _median(seen: list[tuple[float, float]], since: float, until: float) -> float:
    between = sorted(mb for done, mb in seen if since <= done <= until)
    return between[len(between) // 2]
