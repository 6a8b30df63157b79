"""The API of jobs, with a real Redis and a real worker."""

import asyncio
import io
import time

import httpx2
import pytest
import soundfile

from s1_client import AsyncS1Client
from s1_gateway.jobs.queue import make_celery
from s1_gateway.jobs.weights import Weights
from tests.gateway.jobs.conftest import Place, running_place
from tests.gateway.jobs.faulty_s3 import BUCKET, running_s3
from tests.gateway.running import until
from tests.gateway.stand_in import Trouble, seconds_of

TEXT = "A voice note that is fetched later."


@pytest.fixture(scope="module")
def place(shared_place: Place) -> Place:
    shared_place.start_worker()
    return shared_place


def direct(place: Place, text: str, seed: int, sound_format: str = "wav") -> bytes:
    body = {"model": "tts-1", "voice": "default", "input": text, "seed": seed, "response_format": sound_format}
    answer = place.http.post(f"{place.gateway.url}/v1/audio/speech", json=body)
    assert answer.status_code == 200
    return answer.content


def samples(data: bytes) -> list[int]:
    return soundfile.read(io.BytesIO(data), dtype="int16")[0].tolist()


def test_a_job_from_its_submission_to_its_sound(place):
    answer = place.post("/v1/audio/speech/async", {"text": TEXT, "seed": 7})
    made = answer.json()
    assert made["status_url"] == answer.headers["location"] == f"{place.gateway.url}/v1/jobs/{made['job_id']}"
    shown = place.wait(made["job_id"])
    assert shown["progress"] == 100
    assert shown["error"] is None
    assert shown["created_at"] <= shown["completed_at"] < shown["expires_at"]
    assert shown["duration_seconds"] == pytest.approx(seconds_of(TEXT), abs=0.01)
    assert shown["audio_url"] == f"{made['status_url']}/content"
    data = place.http.get(shown["audio_url"])
    assert data.headers["content-type"] == "audio/wav"
    assert f'filename="{made["job_id"]}.wav"' in data.headers["content-disposition"]
    assert samples(data.content) == samples(direct(place, TEXT, 7))


def test_players_seek_and_broken_downloads_go_on(place):
    job_id = place.submit(f"{TEXT} In parts.")
    place.wait(job_id)
    whole, url = place.content(job_id), f"{place.gateway.url}/v1/jobs/{job_id}/content"
    head = place.http.head(url)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole)))
    assert head.headers["accept-ranges"] == "bytes"
    same, other = head.headers["etag"], '"another"'
    for asked, start, stop in (("0-99", 0, 100), ("5000-", 5000, len(whole)), ("-7", len(whole) - 7, len(whole))):
        part = place.http.get(url, headers={"range": f"bytes={asked}", "if-range": same})
        assert (part.status_code, part.content) == (206, whole[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
    for headers in ({"range": "bytes=0-9", "if-range": other}, {"range": "bytes=0-1,5-6"}, {"range": "lines=1-2"}):
        answer = place.http.get(url, headers=headers)
        assert (answer.status_code, answer.content) == (200, whole)
    behind = place.http.get(url, headers={"range": f"bytes={len(whole)}-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    assert behind.json()["error"]["code"] == "range_not_satisfiable"


@pytest.mark.parametrize("sound_format", ["wav", "flac", "mp3", "opus"])
def test_formats(place, sound_format):
    job_id = place.submit(f"{TEXT} In {sound_format}.", response_format=sound_format)
    place.wait(job_id)
    sound, _ = soundfile.read(io.BytesIO(place.content(job_id)))
    assert len(sound) > 40_000


def test_a_batch_of_the_users_own_form_and_one_with_defaults(place):
    bare = place.post("/v1/audio/speech/batch", [{"text": "One."}, {"text": "Two.", "voice_id": "alloy"}]).json()
    assert len(bare["job_ids"]) == 2
    items = [{"text": "Three."}, {"text": "Four.", "format": "mp3"}]
    other = place.post("/v1/audio/speech/batch", {"items": items, "response_format": "flac"}).json()
    for job_id in bare["job_ids"] + other["job_ids"]:
        assert place.wait(job_id)["batch_id"] in (bare["batch_id"], other["batch_id"])
    assert place.content(other["job_ids"][0])[:4] == b"fLaC"
    assert place.content(other["job_ids"][1])[:4] != b"fLaC"
    shown = place.http.get(other["status_url"]).json()
    assert shown["status"] == "completed"
    assert shown["job_counts"] == {
        "total": 2, "completed": 2, "queued": 0, "in_progress": 0, "failed": 0, "cancelled": 0,
    }  # fmt: skip


def test_the_same_key_makes_no_second_job(place):
    body = {"text": "Once only."}
    first = place.post("/v1/audio/speech/async", body, **{"Idempotency-Key": "key-1"}).json()
    again = place.post("/v1/audio/speech/async", body, **{"Idempotency-Key": "key-1"}).json()
    assert again["job_id"] == first["job_id"]
    other = place.post("/v1/audio/speech/async", {"text": "Else."}, 409, **{"Idempotency-Key": "key-1"})
    assert other.headers["x-should-retry"] == "false"
    place.post("/v1/audio/speech/async", body, 400, **{"Idempotency-Key": "x" * 129})
    first = place.post("/v1/audio/speech/batch", [body], **{"Idempotency-Key": "key-2"}).json()
    assert (
        place.post("/v1/audio/speech/batch", [body], **{"Idempotency-Key": "key-2"}).json()["job_ids"]
        == first["job_ids"]
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "text"),
        ({"text": "  "}, "nothing to say"),
        ({"text": "a", "response_format": "aac"}, "response_format"),
        ({"text": "a", "format": "aac"}, "format"),
        ({"text": "a", "speed": 9}, "speed"),
        ({"text": "a", "sample_rate": 123}, "sample_rate"),
        ({"text": "a", "temperature": 99}, "temperature"),
        ({"text": "a", "voice_id": ""}, "voice_id"),
        ({"text": "a", "webhook_url": "ftp://a"}, "webhook_url"),
    ],
)
def test_bad_input_is_refused_before_there_is_a_job(place, body, told):
    num_before = place.redis.client().zcard("s1:jobs:of:anybody")
    assert told in place.post("/v1/audio/speech/async", body, 400).json()["error"]["message"]
    assert place.redis.client().zcard("s1:jobs:of:anybody") == num_before


@pytest.mark.parametrize(("path", "body", "told"), [("async", [{}], ""), ("batch", ["a"], "items.0: ")])
def test_what_is_no_object_is_told_in_plain_words(place, path, body, told):
    answer = place.post(f"/v1/audio/speech/{path}", body, 400)
    assert answer.json()["error"]["message"].startswith(f"{told}an object is needed")


def test_a_text_that_the_model_refuses_fails_at_once_and_says_why(place):
    shown = place.wait(place.submit(f"{Trouble.INVALID} here."), "failed")
    assert shown["error"]["code"] == "invalid_request"
    assert "temperature" in shown["error"]["message"]
    assert shown["attempts"] == 1
    assert place.http.get(f"{place.gateway.url}/v1/jobs/{shown['id']}/content").status_code == 404


def test_what_may_pass_is_tried_again_and_what_does_not_pass_fails_in_the_end(place):
    place.stand_in.refuse_next = 20
    assert place.wait(place.submit("Refused, then taken."))["attempts"] > 1
    shown = place.wait(place.submit(f"{Trouble.BUSY} here."), "failed", 100)
    assert shown["error"]["code"] == "busy"
    assert shown["attempts"] == 8


def test_a_running_job_is_cancelled_and_its_stream_ends(place):
    place.stand_in.speedup = 0.5
    try:
        num_before = place.stand_in.num_cancelled
        job_id = place.submit("This one is spoken slowly. " * 5)
        while place.show(job_id)["status"] == "queued":
            time.sleep(0.02)
        answer = place.http.delete(f"{place.gateway.url}/v1/jobs/{job_id}")
        assert answer.json()["status"] == "cancelled"
        while place.stand_in.num_cancelled == num_before:
            time.sleep(0.02)
    finally:
        place.stand_in.speedup = float("inf")
    assert place.show(job_id)["status"] == "cancelled"


def test_progress_is_shown_while_a_job_is_spoken(place):
    place.stand_in.speedup = 4.0
    try:
        job_id = place.submit("One sentence of a longer text that is spoken slowly. " * 8)
        until(lambda: 0 < place.show(job_id)["progress"] < 100)
        place.http.delete(f"{place.gateway.url}/v1/jobs/{job_id}")
    finally:
        place.stand_in.speedup = float("inf")


def test_the_same_again_is_answered_without_a_server(place):
    body = {"text": "Cached once.", "seed": 3, "response_format": "flac"}
    first = place.submit(**body)
    place.wait(first)
    num_before = len(place.stand_in.requests)
    again, other = place.submit(**body), place.submit(**{**body, "seed": 4})
    place.wait(again)
    place.wait(other)
    assert [text for text in place.stand_in.texts[num_before:] if text == "Cached once."] == ["Cached once."]
    assert place.content(again) == place.content(first)


def test_other_weights_say_it_anew(place, jobs_stand_in):
    """They are told apart by what they sound like, and a job that was said with the old ones is not taken for one."""
    _, address = jobs_stand_in

    async def fingerprints() -> list[str]:
        async with AsyncS1Client(address) as client:
            weights = Weights(client)
            found = [await weights.fingerprint()]
            place.stand_in.level = 0.5
            weights.forget()
            return [*found, await weights.fingerprint()]

    try:
        before, after = asyncio.run(fingerprints())
    finally:
        place.stand_in.level = 1.0
    assert before != after


def test_a_bucket_gives_links_that_need_no_token(redis_program, jobs_stand_in, tmp_path, monkeypatch):
    with running_s3(monkeypatch) as s3:
        settings = {"jobs_bucket": f"s3://{BUCKET}/notes", "jobs_public_endpoint": s3.address, "jobs_link_s": 60}
        with running_place(tmp_path, jobs_stand_in, **settings) as place:
            place.start_worker()
            shown = place.wait(place.submit("In a bucket."))
            assert shown["audio_url"].startswith(f"{s3.address}/{BUCKET}/notes/")
            assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in shown["audio_url"]
            assert samples(httpx2.get(shown["audio_url"]).content) == samples(place.content(shown["id"]))


def test_the_estimate_is_measured(place):
    place.wait(place.submit("Something that is done."))
    assert place.post("/v1/audio/speech/async", {"text": "And one more."}).json()["estimated_seconds"] > 0


def test_metrics_tell_of_jobs(place):
    place.wait(place.submit("Counted."))

    def told(line: str) -> bool:
        return line in place.http.get(f"{place.gateway.url}/metrics").text

    until(lambda: told('s1_gateway_jobs_waiting{queue="single"} 0.0') and told("s1_gateway_jobs_running 0.0"))
    until(lambda: told('s1_gateway_jobs_ended_total{outcome="completed"}') and told("s1_gateway_jobs_characters 0.0"))


def test_an_id_goes_into_the_list_of_its_class_only():
    app = make_celery("memory://", lambda _: None, lambda _: None)
    bound = {(queue.name, queue.exchange.name, queue.routing_key) for queue in app.amqp.queues.values()}
    assert bound == {(name, name, name) for name in ("s1.single", "s1.batch", "s1.webhooks")}


def test_jobs_are_listed_and_unknown_ones_are_not_found(place):
    job_id = place.submit("Listed.")
    listed = place.http.get(f"{place.gateway.url}/v1/jobs", params={"limit": 5}).json()["data"]
    assert listed[0]["id"] == job_id
    for path in ("jobs/job_x", "jobs/job_x/content", "batches/batch_x"):
        assert place.http.get(f"{place.gateway.url}/v1/{path}").status_code == 404


def pages_of(place, **query):
    ids, after = [], {}
    while True:
        page = place.http.get(f"{place.gateway.url}/v1/jobs", params={**query, **after}).json()
        ids += [shown["id"] for shown in page["data"]]
        if not page["has_more"]:
            return ids
        after = {"after": page["last_id"]}


def test_lists_have_pages(place):
    made = place.post("/v1/audio/speech/batch", [{"text": f"Number {number}."} for number in range(7)]).json()
    single = place.submit("Not of the batch.")
    assert pages_of(place, limit=3, batch_id=made["batch_id"]) == made["job_ids"]
    newest = pages_of(place, limit=3)
    assert newest[0] == single
    assert len(set(newest)) == len(newest)
    assert set(newest) >= set(made["job_ids"])
    place.redis.client().delete(f"s1:jobs:job:{made['job_ids'][2]}")
    assert pages_of(place, limit=3, batch_id=made["batch_id"]) == made["job_ids"][:2] + made["job_ids"][3:]
    for query, told in (({"after": single, "batch_id": made["batch_id"]}, "after"), ({"limit": 0}, "limit")):
        answer = place.http.get(f"{place.gateway.url}/v1/jobs", params=query)
        assert (answer.status_code, told in answer.json()["error"]["message"]) == (400, True)
    assert place.http.get(f"{place.gateway.url}/v1/jobs", params={"batch_id": "batch_x"}).status_code == 404


def test_a_bad_text_of_a_batch_is_named_and_nothing_of_it_is_taken(place):
    num_before = len(pages_of(place))
    for bad in (
        {"text": " "},
        {"text": "a", "voice_id": ""},
        {"text": "a", "sample_rate": 7},
        {"text": "a", "speed": 9},
    ):
        error = place.post("/v1/audio/speech/batch", [{"text": "Good."}, bad], 400).json()["error"]
        (field,) = [name for name in bad if name != "text" or bad[name] == " "]
        assert error["param"] == f"items.1.{field}"
        assert error["message"].startswith(f"items.1.{field}: ")
    assert len(pages_of(place)) == num_before


def test_without_redis_there_are_no_jobs(gateway):
    answer = httpx2.post(f"{gateway.url}/v1/audio/speech/async", json={"text": "a"})
    assert answer.status_code == 404
    assert "S1_GATEWAY_REDIS_URL" in answer.json()["error"]["message"]
