"""Nobody notices a rollout: no stream is cut, no job is lost, nobody is refused while one of two is up.

``make rollout`` runs it at the size of docs/reliability.md: 50 callers and 200 jobs.
"""

import asyncio
import dataclasses
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from s1_training.development.checkpoint import write_dev_checkpoint
from tests.gateway.jobs.conftest import RunningRedis
from tests.rollout.callers import Callers, Heard
from tests.rollout.fleet import Fleet, running_fleet
from tests.rollout.pods import Stop

NUM_CALLERS = int(os.environ.get("ROLLOUT_CALLERS", "6"))
NUM_JOBS = int(os.environ.get("ROLLOUT_JOBS", "12"))
MAX_FRAMES = int(os.environ.get("ROLLOUT_FRAMES", "60"))
REST_S = float(os.environ.get("ROLLOUT_REST_S", "1"))
CALM_S = float(os.environ.get("ROLLOUT_CALM_S", "6"))
"""How long callers rest while a replacement starts, which takes most of the time; at a stop they call as ever."""
OUT = os.environ.get("ROLLOUT_OUT")
"""Where the result is written; none: nowhere."""

PRE_STOP_S = 1.5
DRAIN_S = 150.0
GRACE_S = 200.0

pytestmark = [pytest.mark.triton, pytest.mark.timeout(900)]


@contextmanager
def calling(callers: Callers) -> Iterator[None]:
    """Let callers call meanwhile, on a loop of their own."""
    thread = threading.Thread(target=lambda: asyncio.run(callers.run()), name="callers")
    thread.start()
    try:
        yield
    finally:
        callers.enough()
        thread.join()


@dataclasses.dataclass(frozen=True)
class Figures:
    """What came of it.

    Args:
        callers: How many called at once.
        max_frames: Of each answer.
        streams: Answers that were whole, by kind of caller.
        most_open: The most answers under way at the moment of a signal.
        moved: Sockets that were closed while nothing was under way, and connected anew.
        problems: Answers that were not whole, and refusals.
        jobs: How jobs ended.
        attempts: How many jobs were tried how often.
        stops: How each process ended.
        restarts: How often processes ended before they were ready, and were started again.
        took_s: From the first stop to the last replacement.
    """

    callers: int
    max_frames: int
    streams: dict[str, int]
    most_open: int
    moved: int
    problems: list[str]
    jobs: dict[str, int]
    attempts: dict[str, int]
    stops: list[Stop]
    restarts: int
    took_s: float


def submit(fleet: Fleet, numbers: range) -> list[str]:
    """Hand jobs in, each with a text of its own: none is answered from what another one made."""
    texts = [{"text": f"Job number {number}.", "max_frames": MAX_FRAMES} for number in numbers]
    answer = httpx2.post(f"http://{fleet.balancer.url}/v1/audio/speech/batch", json=texts, timeout=60)
    assert answer.status_code == 202, answer.text
    return [str(job_id) for job_id in answer.json()["job_ids"]]


def shown(fleet: Fleet, job_id: str) -> dict[str, object]:
    """How a job is."""
    return dict(httpx2.get(f"http://{fleet.balancer.url}/v1/jobs/{job_id}", timeout=60).json())


def replace_all(fleet: Fleet, callers: Callers) -> tuple[list[Stop], list[float], list[str]]:
    """Stop each of the first pods and start another in its place, one after the other, with new jobs before each stop.

    Returns:
        How each ended, when each was told to, and the ids of all jobs.
    """
    stops, told_s, job_ids = [], [], []
    pods = list(fleet.pods)
    for place, pod in enumerate(pods):
        job_ids += submit(fleet, range(place * NUM_JOBS // len(pods), (place + 1) * NUM_JOBS // len(pods)))
        told_s.append(time.monotonic() + PRE_STOP_S)
        callers.calm_s = 0
        stops.append(pod.stop(PRE_STOP_S, GRACE_S))
        callers.calm_s = CALM_S
        fleet.start(pod.kind.name)
    return stops, told_s, job_ids


def figures(
    heard: Heard, jobs: list[dict[str, object]], stops: list[Stop], told_s: list[float], restarts: int, took_s: float
) -> Figures:
    """Put together what came of it."""
    return Figures(
        callers=NUM_CALLERS,
        max_frames=MAX_FRAMES,
        streams=heard.streams,
        most_open=max(heard.num_open(at_s) for at_s in told_s),
        moved=heard.num_moved,
        problems=heard.problems,
        jobs=dict(Counter(str(job["status"]) for job in jobs)),
        attempts=dict(Counter(str(job["attempts"]) for job in jobs)),
        stops=stops,
        restarts=restarts,
        took_s=took_s,
    )


def test_a_rollout_that_nobody_notices(tmp_path: Path) -> None:
    checkpoint = tmp_path / "tiny"
    write_dev_checkpoint(checkpoint, "tiny", seed=0)
    redis = RunningRedis(tmp_path / "redis")
    redis.start()
    try:
        with running_fleet(tmp_path, checkpoint, redis.url, DRAIN_S) as fleet:
            callers = Callers(fleet.balancer.url, NUM_CALLERS, MAX_FRAMES, REST_S)
            asyncio.run(callers.learn())
            with calling(callers):
                begun_s = time.monotonic()
                stops, told_s, job_ids = replace_all(fleet, callers)
                took_s = time.monotonic() - begun_s
            restarts = sum(pod.num_restarts for pod in fleet.pods)
            while {"queued", "in_progress"} & {shown(fleet, job_id)["status"] for job_id in job_ids}:
                time.sleep(1)
            jobs = [shown(fleet, job_id) for job_id in job_ids]
    finally:
        redis.stop()
    made = figures(callers.heard, jobs, stops, told_s, restarts, took_s)
    told = json.dumps(dataclasses.asdict(made), indent=1)
    if OUT is not None:
        Path(OUT).write_text(told + "\n")
    assert not made.problems, told
    assert made.jobs == {"completed": NUM_JOBS}, told
    assert not any(stop.was_killed or stop.exit_code for stop in stops), told
    assert made.most_open > 0, told
    assert set(made.streams) == {"kept connection", "new connection", "socket"}, told
