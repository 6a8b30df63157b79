"""Webhooks arrive, verify, are tried again, and lead nowhere that is private."""

import json
import socket
import time

import openai
import pytest
from standardwebhooks import Webhook

from s1_client.job_records import JobStatus, WebhookAttempt
from s1_gateway.job_settings import JobSettings
from s1_gateway.jobs import webhooks
from s1_gateway.jobs.addresses import AddressError, check_address, is_public, resolve
from s1_gateway.jobs.records import Job, JobClass
from tests.gateway.jobs.conftest import SECRET, Place, Receiver, eventually, receiving
from tests.gateway.stand_in import Trouble

KEY = webhooks.signing_secret(SECRET, "anybody")


@pytest.fixture(scope="module")
def place(shared_place: Place) -> Place:
    shared_place.start_worker()
    return shared_place


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


def attempts(place: Place, job_id: str) -> list[str]:
    return [each["outcome"] for each in place.show(job_id)["webhook"]["attempts"]]


def hurry(place: Place, job_id: str) -> None:
    """Let the next try be due now: the waits between them are hours."""
    eventually(lambda: place.redis.client().zscore("s1:jobs:hooks", job_id))
    place.redis.client().zadd("s1:jobs:hooks", {job_id: 0}, xx=True)


def test_a_message_is_verified_by_what_receivers_have(place: Place, receiver: Receiver):
    job_id = place.submit("Tell me.", webhook_url=receiver.url)
    eventually(lambda: receiver.of(job_id))
    headers, body = receiver.came[-1]
    openai.OpenAI(api_key="none").webhooks.verify_signature(body, headers, secret=KEY)
    told = Webhook(KEY).verify(body, headers)
    assert told["type"] == "audio.speech.job.completed"
    assert told["data"] == {"id": job_id, "status": "completed", "batch_id": None}
    with pytest.raises(openai.InvalidWebhookSignatureError):
        openai.OpenAI(api_key="none").webhooks.verify_signature(body + b" ", headers, secret=KEY)
    eventually(lambda: attempts(place, job_id) == ["status 200"])
    assert headers["host"] == f"127.0.0.1:{receiver.port}"


def test_a_failed_job_says_so(place: Place, receiver: Receiver):
    job_id = place.submit(f"{Trouble.INVALID} told.", webhook_url=receiver.url)
    eventually(lambda: receiver.of(job_id))
    assert receiver.of(job_id)[0]["data"]["error"]["code"] == "invalid_request"


def test_errors_redirects_and_a_hang_are_tried_again_with_one_id(place: Place, receiver: Receiver):
    receiver.answers = [500, 302, None, 200]
    job_id = place.submit("Tell me again.", webhook_url=receiver.url)
    for number in range(1, 4):
        eventually(lambda number=number: len(attempts(place, job_id)) == number)
        hurry(place, job_id)
    eventually(lambda: len(attempts(place, job_id)) == 4)
    assert attempts(place, job_id) == ["status 500", "status 302", "ReadTimeoutError", "status 200"]
    assert len(receiver.of(job_id)) == 4
    assert {headers["webhook-id"] for headers, _ in receiver.came} == {f"msg_{job_id}"}
    for headers, body in receiver.came:
        Webhook(KEY).verify(body, headers)
    assert place.redis.client().zscore("s1:jobs:hooks", job_id) is None


def test_410_ends_it_and_a_receiver_that_is_not_there_does_not(place: Place, receiver: Receiver):
    receiver.answers = [410]
    gone = place.submit("Gone.", webhook_url=receiver.url)
    missing = place.submit("Missing.", webhook_url="http://127.0.0.1:1/")
    eventually(lambda: attempts(place, gone) == ["status 410"])
    eventually(lambda: attempts(place, missing) == ["NewConnectionError"])
    assert place.redis.client().zscore("s1:jobs:hooks", gone) is None
    assert place.redis.client().zscore("s1:jobs:hooks", missing) is not None
    place.redis.client().zrem("s1:jobs:hooks", missing)


def test_tries_come_to_an_end_within_the_life_of_a_record():
    assert sum(webhooks.WAITS_S) < 24 * 3600
    assert json.dumps([WebhookAttempt(1.0, "status 500").outcome])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "2002:7f00:1::", "ff02::1", "255.255.255.255",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_addresses_that_are(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://user@example.com/",
        "https:///x",
        "https://a b/",
        "ftp://a/",
        "https://a:99999/",
        "x",
    ],
)
def test_urls_that_are_not_called(url):
    with pytest.raises(AddressError):
        check_address(url, is_private_allowed=False)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_names_are_refused_after_they_are_resolved(host):
    target = check_address(f"https://{host}/", is_private_allowed=False)
    with pytest.raises(AddressError, match="not public"):
        resolve(target, is_private_allowed=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[fe80::1%25eth0]", "[::ffff:10.0.0.1]"])
def test_addresses_that_are_not_public_are_refused_before_there_is_a_job(host):
    with pytest.raises(AddressError, match="not public"):
        check_address(f"https://{host}/", is_private_allowed=False)


def test_a_name_is_looked_up_once_and_what_was_checked_is_called(receiver: Receiver, monkeypatch):
    """A name server that answers otherwise the second time leads nowhere."""
    asked = []
    look_up = socket.getaddrinfo

    def answer(host, *arguments, **named):
        if host != "receiver.example":
            return look_up(host, *arguments, **named)
        asked.append(host)
        return look_up("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    settings = JobSettings(webhook_private=True, webhook_secret=SECRET)
    url = f"http://receiver.example:{receiver.port}/hook"
    job = Job(
        id="job_1", token="anybody", job_class=JobClass.SINGLE, spec="{}", num_characters=1,
        state=JobStatus.COMPLETED, created_s=1.0, webhook=url,
    )  # fmt: skip
    status, _, _ = webhooks.Teller(settings).call(job, time.time())
    assert (status, len(asked)) == (200, 1)
    assert receiver.came[0][0]["host"] == f"receiver.example:{receiver.port}"
