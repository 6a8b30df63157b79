"""The client's jobs, the commands and ``batch --jobs``, with a real gateway, Redis and worker."""

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner, Result

from s1_client import (
    AsyncJobs,
    AsyncS1Client,
    DeadlineError,
    ErrorCode,
    Gateway,
    HttpError,
    JobSound,
    JobStatus,
    JobText,
    OptionError,
    Retry,
    S1Client,
    ServerError,
    ServiceClass,
    SpeechOptions,
    Tls,
    UnreachableError,
)
from s1_client.cli import app
from s1_client.jobs_journal import JobsJournal
from s1_gateway.auth import hash_token
from tests.gateway.jobs.conftest import Place, free_port
from tests.gateway.running import running_gateway, until
from tests.gateway.stand_in import Trouble, seconds_of

TEXT = "A note that the client fetches."


@pytest.fixture(scope="module")
def place(shared_place: Place) -> Place:
    shared_place.start_worker()
    return shared_place


@pytest.fixture
def client(place: Place) -> Iterator[S1Client]:
    with S1Client(gateway=Gateway(url=place.gateway.url)) as client:
        yield client


@pytest.fixture
def s1_tts(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("S1_GATEWAY", place.gateway.url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def count_made(place: Place) -> int:
    return int(place.redis.client().zcard("s1:jobs:of:anybody"))


def length_of(data: bytes | Path) -> float:
    return float(soundfile.info(data if isinstance(data, Path) else io.BytesIO(data)).duration)


# the library


def test_a_job_is_made_waited_for_and_fetched(place, client, tmp_path):
    options = SpeechOptions(voice="alloy", seed=3, temperature=0.5)
    taken = client.jobs.submit(TEXT, options, sound=JobSound(file_format="flac", speed=2.0))
    seen = []
    job = client.jobs.wait(taken.id, tell=lambda job: seen.append(job.status))
    assert (job.status, job.progress, seen[-1]) == (JobStatus.COMPLETED, 100, JobStatus.COMPLETED)
    assert job.created_at_s <= job.completed_at_s < job.expires_at_s
    assert place.stand_in.requests[-1]["seed"] == 3
    client.jobs.save(taken.id, tmp_path / "note.flac")
    assert length_of(tmp_path / "note.flac") == pytest.approx(seconds_of(TEXT) / 2, abs=0.1)
    assert client.jobs.list(limit=1) == [job]


async def test_the_asynchronous_one_does_the_same(place):
    async with AsyncS1Client(gateway=Gateway(url=place.gateway.url + "/")) as client:
        taken = await client.jobs.submit_batch(
            [JobText(f"Part {number}.") for number in range(120)], SpeechOptions(seed=1)
        )
        assert len(taken.job_ids) == 120
        ended = [await client.jobs.wait(job_id) for job_id in taken.job_ids]
        assert {job.status for job in ended} == {JobStatus.COMPLETED}
        batch = await client.jobs.show_batch(taken.id)
        assert (batch.is_over, batch.num_of[JobStatus.COMPLETED], batch.job_ids) == (True, 120, taken.job_ids)
        assert [job.id for job in await client.jobs.list(limit=None, batch_id=taken.id)] == list(taken.job_ids)
        assert len(await client.jobs.list(limit=101)) == 101
        assert length_of(await client.jobs.content(taken.job_ids[0])) == pytest.approx(seconds_of("Part 0."), abs=0.1)


def test_a_request_that_is_sent_twice_makes_one_job(place, client):
    first = client.jobs.submit(TEXT, idempotency_key="of-the-client")
    assert client.jobs.submit(TEXT, idempotency_key="of-the-client").id == first.id
    with pytest.raises(HttpError, match="another body") as refused:
        client.jobs.submit("Else.", idempotency_key="of-the-client")
    assert refused.value.status == 409


def test_a_job_is_cancelled(place, client):
    place.stand_in.speedup = 0.5
    try:
        taken = client.jobs.submit("This one is cancelled. " * 5)
        assert client.jobs.cancel(taken.id).status is JobStatus.CANCELLED
        batch = client.jobs.submit_batch([JobText("This as well. " * 5)] * 3)
        assert client.jobs.cancel_batch(batch.id).num_of[JobStatus.CANCELLED] == 3
    finally:
        place.stand_in.speedup = float("inf")
    assert client.jobs.wait(taken.id).status is JobStatus.CANCELLED


def test_a_wait_has_an_end(place, client):
    place.stand_in.speedup = 0.5
    try:
        taken = client.jobs.submit("This one is waited for in vain. " * 5)
        with pytest.raises(DeadlineError):
            client.jobs.wait(taken.id, deadline_s=0.3)
        client.jobs.cancel(taken.id)
    finally:
        place.stand_in.speedup = float("inf")


def test_refusals_are_errors_with_the_gateways_words(client):
    with pytest.raises(ServerError, match=r"temperature.*less than or equal to 2") as refused:
        client.jobs.submit(TEXT, SpeechOptions(temperature=9.0))
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_ARG, "temperature")
    with pytest.raises(ServerError, match="no such job") as unknown:
        client.jobs.show("job x?y#z")
    assert (unknown.value.code, unknown.value.reason) == (ErrorCode.NOT_FOUND, "not_found")
    for options in (SpeechOptions(service=ServiceClass.CALL), SpeechOptions(reference_audio=b"RIFF")):
        with pytest.raises(OptionError, match="jobs do not take it"):
            client.jobs.submit(TEXT, options)


def test_tokens(place, jobs_stand_in):
    entry = f"anna {hash_token('open-sesame')} scopes=jobs"
    with running_gateway(jobs_stand_in[1], tokens=entry, redis_url=place.redis.url) as guarded:
        for token, status in ((None, 401), ("wrong", 401), ("open-sesame", None)):
            with S1Client(gateway=Gateway(url=guarded.url, token=token)) as client:
                if status is None:
                    assert client.jobs.list() == []
                else:
                    with pytest.raises(HttpError) as refused:
                        client.jobs.list()
                    assert refused.value.status == status


def test_certificates(place, jobs_stand_in, s1_tts, tmp_path):
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run(command, check=True, capture_output=True)
    settings = {**place.settings, "redis_url": place.redis.url, "tls_certificate": paths[0], "tls_key": paths[1]}
    with running_gateway(jobs_stand_in[1], **settings) as gateway:
        url = f"https://{gateway.address}"
        untrusted = Gateway(url=url, retry=Retry(max_attempts=1))
        with S1Client(gateway=untrusted) as client, pytest.raises(UnreachableError, match="certificate"):
            client.jobs.list()
        with S1Client(gateway=Gateway(url=url, tls=Tls(root_certificates=paths[0]))) as client:
            assert client.jobs.submit(TEXT).id == client.jobs.list(limit=1)[0].id
        told = s1_tts("jobs", "list", "--gateway", url, "--gateway-certificates", "cert.pem")
        assert told.exit_code == 0, told.stderr
        broken = s1_tts("jobs", "list", "--gateway", url, "--gateway-certificates", "key.pem")
    assert (broken.exit_code, "key.pem" in broken.stderr) == (1, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "127.0.0.1:8080"},
        {"url": "ftp://a"},
        {"url": "http://a:b@c"},
        {"url": "http://a:99999"},
        {"token": "two words"},
        {"token": "käse"},
        {"headers": {"a b": "c"}},
    ],
    ids=str,
)
def test_what_cannot_be_a_gateway_is_refused_and_no_secret_is_told(wrong):
    with pytest.raises(ValueError, match=r"gateway|token|headers") as refused:
        Gateway(**wrong)
    assert not any(secret in str(refused.value) for secret in ("a:b", "two words", "käse"))
    assert "hidden" not in repr(Gateway(token="hidden", headers={"x": "hidden"}))


def test_no_gateway_answers():
    gone = Gateway(url=f"http://127.0.0.1:{free_port()}", retry=Retry(max_attempts=2, first_delay_s=0.01))
    with S1Client(gateway=gone) as client, pytest.raises(UnreachableError, match="no server answers at http"):
        client.jobs.submit(TEXT)


async def test_a_wait_outlives_the_gateway(place, jobs_stand_in):
    settings = {**place.settings, "redis_url": place.redis.url}
    place.stand_in.speedup = 2.0
    try:
        with running_gateway(jobs_stand_in[1], **settings) as gateway:
            port = gateway.server.port
            jobs = AsyncJobs(Gateway(url=gateway.url, retry=Retry(max_attempts=1)))
            taken = await jobs.submit("A text that is longer than the life of its gateway. " * 2)
        with pytest.raises(UnreachableError):
            await jobs.show(taken.id)
        waiting = asyncio.create_task(jobs.wait(taken.id))
        await asyncio.sleep(0.5)
        with running_gateway(jobs_stand_in[1], port=port, **settings):
            assert (await waiting).status is JobStatus.COMPLETED
            await jobs.close()
    finally:
        place.stand_in.speedup = float("inf")


# the commands


def test_the_commands_one_after_the_other(s1_tts):
    made = s1_tts("jobs", "submit", TEXT, "--format", "mp3", "--voice", "alloy", "--idempotency-key", "typed")
    assert made.exit_code == 0, made.stderr
    job_id = made.stdout.strip()
    assert job_id.startswith("job_")
    waited = s1_tts("jobs", "wait", job_id, "-o", "note.mp3", "--timeout", "60")
    assert waited.exit_code == 0, waited.stderr
    assert json.loads(waited.stdout)["status"] == "completed"
    assert length_of(Path("note.mp3")) == pytest.approx(seconds_of(TEXT), abs=0.2)
    assert json.loads(s1_tts("jobs", "status", job_id).stdout) == json.loads(waited.stdout)
    listed = s1_tts("jobs", "list", "--limit", "1")
    assert listed.stdout.split()[:2] == [job_id, "completed"]
    assert json.loads(s1_tts("jobs", "list", "--limit", "1", "--json").stdout)["id"] == job_id
    late = s1_tts("jobs", "cancel", job_id)
    assert (late.exit_code, "over before: completed" in late.stderr) == (1, True)


def test_how_commands_end(s1_tts, place, tmp_path, monkeypatch):
    failed = s1_tts("jobs", "wait", s1_tts("jobs", "submit", f"{Trouble.INVALID} here.").stdout.strip(), "-o", "no.wav")
    assert (failed.exit_code, "temperature" in failed.stderr, Path("no.wav").exists()) == (1, True, False)
    assert s1_tts("jobs", "status", "job_x").exit_code == 1
    assert s1_tts("jobs", "submit", " ").exit_code == 1
    assert s1_tts("jobs", "wait", "job_x", "-o", "no/folder.wav").exit_code == 2
    assert s1_tts("jobs", "list", "--gateway", "nonsense").exit_code == 2
    assert s1_tts("jobs", "list", "--gateway", f"http://127.0.0.1:{free_port()}").exit_code == 3
    place.stand_in.speedup = 0.5
    try:
        job_id = s1_tts("jobs", "submit", "Waited for in vain. " * 5).stdout.strip()
        assert s1_tts("jobs", "wait", job_id, "--timeout", "0.2").exit_code == 5
        assert s1_tts("jobs", "cancel", job_id).exit_code == 0
    finally:
        place.stand_in.speedup = float("inf")
    monkeypatch.setenv("S1_TOKEN", "in the environment")
    assert s1_tts("jobs", "list").exit_code == 2
    Path("token").write_text("s1_token\n", encoding="utf-8")
    assert s1_tts("jobs", "list", "--token-file", "token").exit_code == 0


# batches


def report() -> dict[str, dict[str, str]]:
    with Path("out/report.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_a_batch_of_jobs_is_fetched_reported_and_not_made_again(s1_tts, place):
    Path("lines.csv").write_text(
        f"id,text,voice\na,First line.,\nb,{Trouble.INVALID},\nc,Third line.,alloy\nd,{'x' * 10_001},\n", "utf-8"
    )
    before = count_made(place)
    first = s1_tts("batch", "lines.csv", "out", "--jobs", "--format", "opus", "--seed", "5")
    assert first.exit_code == 1
    assert "2 said, 0 were there, 2 failed of 4" in first.stdout
    rows = report()
    assert [row["status"] for row in rows.values()] == ["completed", "failed", "completed", "failed"]
    assert "temperature" in rows["b"]["error"]
    assert "got 10001 characters" in rows["d"]["error"]
    assert rows["d"]["job_id"] == ""
    assert rows["a"]["file"] == "a.opus"
    assert length_of(Path("out/a.opus")) == pytest.approx(seconds_of("First line."), abs=0.1)
    assert count_made(place) == before + 3

    Path("lines.csv").write_text("id,text,voice\na,First line.,\nb,Now it is good.,\nc,Third line.,alloy\n", "utf-8")
    again = s1_tts("batch", "lines.csv", "out", "--jobs", "--format", "opus", "--seed", "5")
    assert again.exit_code == 0, again.stderr
    assert "1 said, 2 were there, 0 failed of 3" in again.stdout
    assert count_made(place) == before + 4
    assert {row["status"] for row in report().values()} == {"completed"}

    Path("out/a.opus").unlink()
    assert (
        "1 said, 2 were there"
        in s1_tts("batch", "lines.csv", "out", "--jobs", "--format", "opus", "--seed", "5").stdout
    )
    assert Path("out/a.opus").exists()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGKILL])
def test_a_batch_that_is_interrupted_goes_on_and_makes_nothing_twice(s1_tts, place, sig):
    texts = [f"Line {number} of those that are interrupted by {sig.name}." for number in range(230)]
    Path("lines.txt").write_text("\n".join(texts), encoding="utf-8")
    before = count_made(place)
    place.stand_in.speedup = 20.0
    try:
        restore = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        code = f"{restore}; from s1_client.cli import app; app()"
        command = [sys.executable, "-c", code, "batch", "lines.txt", "out", "--jobs"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ) as process:
            until(lambda: len(list(Path("out").glob("*.wav"))) > 3 or process.poll() is not None, 60)
            assert process.poll() is None
            process.send_signal(sig)
            _, errors = process.communicate(timeout=20)
        if sig is signal.SIGINT:
            assert process.returncode == 130
            assert "the same command goes on" in errors.decode()
            assert {"completed", "in_progress"} <= {row["status"] for row in report().values()} <= {
                "completed", "in_progress", "open",
            }  # fmt: skip
    finally:
        place.stand_in.speedup = float("inf")
    again = s1_tts("batch", "lines.txt", "out", "--jobs")
    assert again.exit_code == 0, again.stderr
    assert count_made(place) == before + 230
    assert len(list(Path("out").glob("*.wav"))) == 230
    assert length_of(Path("out/0007.wav")) == pytest.approx(seconds_of(texts[6]), abs=0.1)


def test_what_was_sent_and_not_answered_is_sent_again_under_its_key(s1_tts, place):
    Path("lines.txt").write_text("Sent once.\nAnd this.\n", encoding="utf-8")
    assert s1_tts("batch", "lines.txt", "out", "--jobs").exit_code == 0
    before = count_made(place)
    journal = Path("out/jobs.jsonl")
    sending = [line for line in journal.read_text("utf-8").splitlines() if '"event": "sending"' in line]
    journal.write_text("\n".join(sending) + '\n{"event": "tak', encoding="utf-8")
    assert "2 said, 0 were there" in s1_tts("batch", "lines.txt", "out", "--jobs").stdout
    assert count_made(place) == before


def test_jobs_that_the_gateway_forgot_are_made_anew_once(s1_tts, place):
    Path("lines.txt").write_text("Forgotten once.\n", encoding="utf-8")
    place.stop_workers()
    try:
        redis = place.redis.client()
        code = "from s1_client.cli import app; app()"
        with subprocess.Popen([sys.executable, "-c", code, "batch", "lines.txt", "out", "--jobs"]) as process:
            until(
                lambda: '"taken"' in (Path("out/jobs.jsonl").read_text() if Path("out/jobs.jsonl").exists() else ""), 60
            )
            process.kill()
        (job_id,) = redis.zrange("s1:jobs:of:anybody", 0, 0, desc=True)
        place.http.delete(f"{place.gateway.url}/v1/jobs/{job_id}")
        for key in (f"s1:jobs:job:{job_id}", *redis.keys("s1:jobs:batch:*")):
            redis.delete(key)
    finally:
        place.start_worker()
    again = s1_tts("batch", "lines.txt", "out", "--jobs")
    assert again.exit_code == 0, again.stderr
    assert Path("out/0001.wav").exists()


def test_a_smaller_gateway_is_sent_smaller_batches_and_a_full_one_is_waited_for(s1_tts, place, jobs_stand_in):
    Path("lines.txt").write_text("\n".join(f"Small {number}." for number in range(25)), encoding="utf-8")
    settings = {**place.settings, "redis_url": place.redis.url, "jobs_max_batch": 10, "jobs_max_waiting": 20}
    with running_gateway(jobs_stand_in[1], **settings) as small:
        done = s1_tts("batch", "lines.txt", "out", "--jobs", "--gateway", small.url)
    assert done.exit_code == 0, done.stderr
    assert len(list(Path("out").glob("*.wav"))) == 25


def test_one_run_at_a_time(s1_tts):
    Path("lines.txt").write_text("One.\n", encoding="utf-8")
    assert s1_tts("batch", "lines.txt", "out", "--jobs", "--format", "ogg").exit_code == 2
    assert s1_tts("batch", "lines.txt", "out", "--format", "opus").exit_code == 2
    with JobsJournal(Path("out")):
        busy = s1_tts("batch", "lines.txt", "out", "--jobs")
    assert (busy.exit_code, "another run is working there" in busy.stderr) == (1, True)


def test_without_a_gateway_the_report_says_that_all_is_open(s1_tts, monkeypatch):
    monkeypatch.setattr("s1_client.jobs.PATIENCE_S", 0.0)
    Path("lines.txt").write_text("One.\nTwo.\n", encoding="utf-8")
    gone = s1_tts("batch", "lines.txt", "out", "--jobs", "--gateway", f"http://127.0.0.1:{free_port()}")
    assert gone.exit_code == 3
    assert {row["status"] for row in report().values()} == {"open"}
