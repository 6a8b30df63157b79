"""What the page of jobs shows does what it says: commands by hand, curl, a webhook's signature, a bucket's rule."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx2
import pytest

from s1_gateway.jobs.webhooks import signing_secret
from tests.doc_pages import ROOT, blocks_of
from tests.gateway.jobs.conftest import SECRET, Place, eventually, free_port, receiving
from tests.gateway.jobs.faulty_s3 import BUCKET, running_s3
from tests.gateway.running import until
from tests.gateway.stand_in import StandIn

BLOCKS = blocks_of(ROOT / "docs" / "jobs.md")
BIN = Path(sys.executable).parent


def block_with(language: str, words: str) -> str:
    (found,) = [block.text for block in BLOCKS if block.language == language and words in block.text]
    return found


def environment(**told: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **told}


@pytest.fixture(scope="module")
def place(shared_place: Place) -> Place:
    shared_place.start_worker()
    return shared_place


@contextlib.contextmanager
def started(line: str, told: dict[str, str], folder: Path, ready: str) -> Iterator[re.Match[str]]:
    """Run a line of the page until the block ends; gives what its ready line says."""
    output = folder / f"{len(list(folder.iterdir()))}.txt"
    with output.open("w") as log:
        process = subprocess.Popen(line.split(), env=told, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        until(lambda: re.search(ready, output.read_text()) or process.poll() is not None, 60)
        found = re.search(ready, output.read_text())
        assert found, output.read_text()
        yield found
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_by_hand(redis_program: None, jobs_stand_in: tuple[StandIn, str], tmp_path: Path) -> None:
    """The page's lines one by one, on other ports and before the stand-in."""
    lines = [line for line in block_with("sh", "redis-server").splitlines() if line and not line.startswith("#")]
    redis, export, serve, worker = lines
    port = free_port()
    name, _, url = export.removeprefix("export ").partition("=")
    told = environment(**{name: url.replace("6379", str(port)), "S1_GATEWAY_SERVERS": jobs_stand_in[1]})
    with (
        started(redis.replace('""', "").replace("--save", f"--port {port}"), told, tmp_path, "Ready to accept"),
        started(serve, told | {"S1_GATEWAY_PORT": "0"}, tmp_path, r"ready on (http://\S+)") as gateway,
        started(worker, told, tmp_path, "the worker is ready"),
    ):
        made = httpx2.post(f"{gateway[1]}/v1/audio/speech/async", json={"text": "By hand."}).json()
        until(lambda: httpx2.get(made["status_url"]).json()["status"] == "completed")


def test_a_job_by_curl(place: Place) -> None:
    command = block_with("sh", "$URL/v1/audio/speech/async")
    told = environment(URL=place.gateway.url)
    answer = subprocess.run(["bash", "-euc", command], env=told, capture_output=True, text=True, check=True).stdout
    shown = json.loads(block_with("json", "job_id"))
    assert json.loads(answer).keys() == shown.keys()
    place.wait(json.loads(answer)["job_id"])


def test_a_webhook_is_verified_as_the_page_says(place: Place) -> None:
    command = [BIN / "s1-gateway", "webhook-secret", "anybody"]
    told = environment(S1_GATEWAY_WEBHOOK_SECRET=SECRET)
    secret = subprocess.run(command, env=told, capture_output=True, text=True, check=True).stdout.strip()
    assert secret == signing_secret(SECRET, "anybody")
    with receiving() as receiver:
        job_id = place.submit("Verified.", webhook_url=receiver.url)
        eventually(lambda: receiver.of(job_id))
        headers, body = receiver.came[-1]
    exec(block_with("python", "verify_signature"), {"body": body, "headers": headers, "secret": secret})


def test_the_buckets_rule_is_written_by_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_s3(monkeypatch):
        told = environment(S1_GATEWAY_JOBS_BUCKET=f"s3://{BUCKET}/prefix")
        command = [BIN / "s1-gateway", "bucket-rule"]
        done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
        assert done.stdout == f"s3://{BUCKET}/prefix forgets sound after 2 days\n"
        (rule,) = boto3.client("s3").get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        assert (rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) == ("prefix/", 2)


def test_commands_that_lack_a_setting_say_which() -> None:
    for command, setting in (
        ("bucket-rule", "JOBS_BUCKET"),
        ("webhook-secret anna", "WEBHOOK_SECRET"),
        ("worker", "REDIS_URL"),
    ):
        done = subprocess.run([BIN / "s1-gateway", *command.split()], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"S1_GATEWAY_{setting}" in done.stderr
