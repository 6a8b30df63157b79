"""Nothing is lost and nothing is said twice, whatever dies: real Redis, real workers."""

import base64
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx2
import pytest
import soundfile

from tests.gateway.jobs import poisoned
from tests.gateway.jobs.conftest import SHORT_LEASE, Place, eventually, free_port, running_place
from tests.gateway.stand_in import StandIn, Trouble

POISONED = (sys.executable, "-m", poisoned.__name__)
MANY_TRIES = {**SHORT_LEASE, "jobs_attempts": 30, "jobs_deaths": 50}


@pytest.fixture
def place(redis_program, jobs_stand_in, tmp_path):
    with running_place(tmp_path, jobs_stand_in, **MANY_TRIES) as found:
        yield found
    jobs_stand_in[0].reset()


def sound_of(place: Place, job_id: str) -> list[int]:
    return soundfile.read(io.BytesIO(place.content(job_id)), dtype="int16")[0].tolist()


def spoken(place: Place, text: str) -> list[int]:
    body = {"model": "tts-1", "voice": "default", "input": text, "response_format": "wav"}
    answer = place.http.post(f"{place.gateway.url}/v1/audio/speech", json=body)
    assert answer.status_code == 200
    return soundfile.read(io.BytesIO(answer.content), dtype="int16")[0].tolist()


def test_a_worker_that_is_killed_loses_nothing(place):
    worker = place.start_worker()
    texts = [f"{Trouble.STALL}: killed in the midst of text {number}." for number in range(6)]
    ids = [place.submit(text) for text in texts]
    eventually(lambda: place.stand_in.num_open == 6)
    worker.kill()
    place.stand_in.is_stalling = False
    place.start_worker()
    for job_id, text in zip(ids, texts, strict=True):
        place.wait(job_id)
        assert sound_of(place, job_id) == spoken(place, text)
    assert place.redis.client().hget("s1:jobs:counts", "completed") == "6"
    assert place.redis.client().get("s1:jobs:characters") == "0"


def test_sigterm_gives_back_what_runs_and_the_worker_ends(place):
    worker = place.start_worker()
    job_id = place.submit(f"{Trouble.STALL}: this would take longer than any worker may take to end.")
    eventually(lambda: place.stand_in.num_open == 1)
    worker.terminate()
    worker.wait(60)
    shown = place.show(job_id)
    assert shown["status"] == "queued"
    assert shown["attempts"] == 0
    place.stand_in.is_stalling = False
    place.start_worker()
    place.wait(job_id)
    assert place.redis.client().hget(f"s1:jobs:job:{job_id}", "deaths") is None


def test_sigterm_leaves_what_was_not_begun_to_others_at_once(place):
    """Ids that a worker held and did not use are due or in Celery's list, and do not wait until they count as lost."""
    worker = place.start_worker(jobs_streams=1, jobs_lease_s=60)
    ids = [place.submit(f"{Trouble.STALL}: number {number} takes long.") for number in range(5)]
    client = place.redis.client()

    def all_but_one_wait() -> bool:
        """Which of them the worker began with is its own affair."""
        running = set(client.zrange("s1:jobs:running", 0, -1))
        waiting = [each for each in ids if each not in running]
        return len(waiting) == 4 and all(client.zscore("s1:jobs:due:single", each) for each in waiting)

    eventually(lambda: place.stand_in.num_open == 1 and all_but_one_wait())
    eventually(lambda: client.llen("s1.single") == 0)
    worker.terminate()
    worker.wait(60)
    assert {place.show(job_id)["status"] for job_id in ids} == {"queued"}
    due = client.zrangebyscore("s1:jobs:due:single", "-inf", client.time()[0] * 1000 + 1000)
    listed = [base64.b64decode(json.loads(each)["body"]).decode() for each in client.lrange("s1.single", 0, -1)]
    assert all(job_id in due or any(job_id in each for each in listed) for job_id in ids)


def test_redis_is_restarted_with_its_file(place):
    worker = place.start_worker()
    ids = [place.submit(f"{Trouble.STALL}: over a restart of Redis, {number}.") for number in range(12)]
    eventually(lambda: place.stand_in.num_open == place.settings["jobs_streams"])
    place.redis.stop()
    refused = httpx2.post(f"{place.gateway.url}/v1/audio/speech/async", json={"text": "a"}, timeout=30)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) <= 10
    place.redis.start()
    place.stand_in.is_stalling = False
    assert place.redis.client().zcard("s1:jobs:of:anybody") == 12  # nothing of what was refused
    if worker.poll() is not None:
        place.start_worker()
    for job_id in ids:
        place.wait(job_id)
    assert worker.poll() is None, "the worker ended with the connection"


def test_jobs_that_run_go_on_while_redis_is_away_for_longer_than_their_lease(place):
    """Nothing of them is lost or taken for a worker's death, and none is done by two."""
    place.start_worker()
    ids = [place.submit(f"{Trouble.STALL}: while Redis is away, {number}.") for number in range(6)]
    eventually(lambda: place.stand_in.num_open == 6)
    place.redis.stop()
    place.stand_in.is_stalling = False
    time.sleep(2 * place.settings["jobs_lease_s"])
    place.redis.start()
    for job_id in ids:
        assert place.wait(job_id)["attempts"] == 1
    client = place.redis.client()
    assert "lost" not in client.hgetall("s1:jobs:counts")
    assert client.hget("s1:jobs:counts", "completed") == "6"
    assert sorted(place.stand_in.texts) == sorted({*place.stand_in.texts})


def test_a_full_redis_refuses_new_jobs_and_ends_old_ones(place):
    ids = [place.submit(f"Before it is full, {number}.") for number in range(5)]
    client = place.redis.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    answer = place.post("/v1/audio/speech/async", {"text": "One too many."}, 503)
    assert answer.json()["error"]["code"] == "busy"
    assert client.zcard("s1:jobs:of:anybody") == 5
    place.start_worker()
    time.sleep(2)
    client.config_set("maxmemory", 0)
    for job_id in ids:
        place.wait(job_id)


def test_sigterm_ends_a_worker_that_starts_anew(place):
    """Celery gives up where Redis is full, and the worker waits a moment before it begins again as another program."""
    worker = place.start_worker()
    client = place.redis.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    eventually(lambda: any("the worker starts anew" in line for line in place.told))
    worker.terminate()
    worker.wait(30)
    assert not any("the worker is ready" in line for line in place.told)


def test_sigterm_that_came_before_a_worker_could_hear_it_ends_it():
    """It starts anew with SIGTERM held back; what came meanwhile is not lost."""
    program = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
os.execv(sys.executable, [sys.executable, "-m", "s1_gateway", "worker"])
"""
    environment = os.environ | {"S1_GATEWAY_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM


def test_too_many_jobs_are_refused(place, jobs_stand_in, tmp_path):
    with running_place(tmp_path / "few", jobs_stand_in, jobs_max_waiting=2) as few:
        few.redis.client().rpush("s1:jobs:recent", "1000 2000 1")
        few.submit("One.")
        few.post("/v1/audio/speech/batch", [{"text": "Two."}, {"text": "Three."}], 503)
        told = few.post("/v1/audio/speech/batch", [{"text": "Two."}] * 3, 400).json()["error"]["message"]
        assert told == "items: got 3 texts; allowed: 1 to 2"
        few.submit("Two.")
        told = few.post("/v1/audio/speech/async", {"text": "Three."}, 503).json()["error"]["message"]
        assert told == "2 jobs may wait at once; at the measured rate those take 8 s"
        assert int(few.post("/v1/audio/speech/async", {"text": "Three."}, 503).headers["retry-after"]) > 0


def test_a_job_that_ends_its_workers_is_set_aside_and_its_neighbours_are_not(redis_program, jobs_stand_in, tmp_path):
    with running_place(tmp_path, jobs_stand_in, **SHORT_LEASE) as place:
        poison = place.submit(f"{poisoned.POISON} here.")
        ids = [place.submit(f"A neighbour of it, {number}.") for number in range(4)]
        for _ in range(3):
            worker = place.start_worker(*POISONED)
            eventually(lambda worker=worker: worker.poll() is not None)
        place.start_worker(*POISONED)
        assert place.wait(poison, "failed")["error"]["code"] == "poison"
        for job_id in ids:
            place.wait(job_id)


@contextlib.contextmanager
def server_process(port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.gateway.stand_in", "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_server_that_is_killed_and_comes_back(redis_program, tmp_path):
    port = free_port()
    unused = StandIn()
    with running_place(tmp_path, (unused, f"127.0.0.1:{port}"), **MANY_TRIES) as place:
        with server_process(port) as process:
            place.start_worker()
            texts = [f"{Trouble.STALL}: the server goes away, {number}." for number in range(6)]
            ids = [place.submit(text) for text in texts]
            eventually(lambda: place.redis.client().zcard("s1:jobs:running") == 6)
            time.sleep(0.5)
            process.kill()
            process.wait()
        time.sleep(1)
        with server_process(port, "--no-stalling"):
            for job_id, text in zip(ids, texts, strict=True):
                assert place.wait(job_id)["attempts"] > 1
                assert sound_of(place, job_id) == spoken(place, text)


def test_a_store_that_fails_for_a_while(place, tmp_path):
    folder = tmp_path / "sound"
    folder.write_text("in the way of the folder")
    place.start_worker()
    job_id = place.submit("Stored in the end.")
    eventually(lambda: place.show(job_id)["attempts"] >= 3)
    folder.unlink()
    place.wait(job_id)
    assert sound_of(place, job_id) == spoken(place, "Stored in the end.")


def test_what_an_autoscaler_reads_is_alive_without_any_server(redis_program, tmp_path):
    """Waiting plus running is what there is to do, whether or not somebody can do it."""
    nobody = (StandIn(), f"127.0.0.1:{free_port()}")
    with running_place(tmp_path, nobody, jobs_attempts=1000) as place:
        for number in range(5):
            place.submit(f"Nobody says this, {number}.")

        def waiting_and_running() -> float:
            page = place.http.get(f"{place.gateway.url}/metrics").text
            found = re.findall(r"^s1_gateway_jobs_(?:waiting\{.*\}|running) (\S+)$", page, re.MULTILINE)
            assert len(found) == 3
            return sum(map(float, found))

        eventually(lambda: waiting_and_running() == 5)
        place.start_worker()
        eventually(lambda: int(place.redis.client().hget("s1:jobs:counts", "retried") or 0) > 5)
        eventually(lambda: waiting_and_running() == 5)
