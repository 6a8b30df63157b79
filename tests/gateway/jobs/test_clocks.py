"""Workers and gateways whose clocks are wrong by minutes: libfaketime, as preloaded by the programs."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from standardwebhooks import Webhook

from s1_gateway.jobs.webhooks import signing_secret
from tests.gateway.jobs.conftest import SECRET, Place, eventually, receiving, running_place
from tests.gateway.running import until
from tests.gateway.stand_in import StandIn

SLOW, FAST = "-10m", "+10m"


@pytest.fixture(scope="module")
def library() -> Path:
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    assert found, "libfaketime is not installed: apt-get install libfaketime"
    return found


@contextlib.contextmanager
def wrong_clock(library: Path, offset: str) -> Iterator[None]:
    """Programs that start meanwhile have another time of day; waits last as long as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("FAKETIME", offset)
        patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        patch.setenv("NO_FAKE_STAT", "1")  # with other times of files Python would compile all it imports anew
        yield


@contextlib.contextmanager
def gateway_process(place: Place) -> Iterator[str]:
    told = {**place.settings, "servers": place.servers, "redis_url": place.redis.url, "port": 0, "host": "127.0.0.1"}
    environment = os.environ | {f"S1_GATEWAY_{name.upper()}": str(value) for name, value in told.items()}
    command = [sys.executable, "-m", "s1_gateway", "serve"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"ready on (http://\S+)", line):
                    break
            else:
                pytest.fail("the gateway did not start")
            yield found[1]
        finally:
            process.terminate()


def test_the_clock_is_really_wrong(library: Path) -> None:
    with wrong_clock(library, FAST):
        command = [sys.executable, "-c", "import time; print(time.time())"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(told) - Path("/proc/self").stat().st_mtime > 500


def test_nothing_depends_on_it(
    redis_program: None, jobs_stand_in: tuple[StandIn, str], tmp_path: Path, library: Path
) -> None:
    """Not who has a job, not how long sound is kept, and not whether a signature is young enough."""
    with (
        running_place(tmp_path, jobs_stand_in, jobs_ttl_s=120, jobs_lease_s=20) as place,
        receiving() as receiver,
        wrong_clock(library, FAST),
        gateway_process(place) as ahead,
    ):
        place.stand_in.speedup = 4
        for offset in (SLOW, FAST):
            with wrong_clock(library, offset):
                place.start_worker(jobs_streams=3)
        job_ids = []
        for number in range(12):
            body = {"text": f"Whatever the time is, {number}.", "webhook_url": receiver.url}
            answer = httpx2.post(f"{ahead}/v1/audio/speech/async", json=body)
            assert answer.status_code == 202, answer.text
            job_ids.append(answer.json()["job_id"])
        for job_id in job_ids:
            shown = place.wait(job_id)
            assert shown["attempts"] == 1
            assert place.content(job_id)[:4] == b"RIFF"
            assert shown["expires_at"] - shown["completed_at"] == 120
        eventually(lambda: all(receiver.of(job_id) for job_id in job_ids))
        for headers, body in receiver.came:
            Webhook(signing_secret(SECRET, "anybody")).verify(body, headers)
        counts = place.redis.client().hgetall("s1:jobs:counts")
        assert (counts["completed"], counts.get("lost")) == ("12", None)
        place.stop_workers()
        place.submit("This one waits.")

        def told(line: str) -> float | None:
            page = httpx2.get(f"{ahead}/metrics").text
            found = re.search(rf"^{re.escape(line)} (\S+)$", page, re.MULTILINE)
            return float(found[1]) if found else None

        until(lambda: told('s1_gateway_jobs_waiting{queue="single"}') == 1)
        assert (told("s1_gateway_jobs_oldest_seconds") or 0) < 100
