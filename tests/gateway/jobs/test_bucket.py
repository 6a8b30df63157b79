"""Sound in a bucket: moto's S3."""

import urllib.parse

import boto3
import httpx2
import pytest
from moto.server import ThreadedMotoServer

from s1_gateway.jobs.bucket import BucketStore
from s1_gateway.jobs.store import FolderStore, StoreError
from s1_gateway.settings import Settings, SettingsError


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(s3, monkeypatch):
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    boto3.client("s3").create_bucket(Bucket="sound")
    return BucketStore(Settings.load({}, jobs_bucket="s3://sound/notes", jobs_public_endpoint=s3, jobs_link_s=60))


def test_what_is_put_is_read(store):
    assert store.get("a.wav") is None
    assert not store.has("a.wav")
    store.put("a.wav", b"RIFF", "audio/wav")
    store.put("a.wav", b"RIFF", "audio/wav")
    assert store.has("a.wav")
    assert store.get("a.wav") == b"RIFF"


def test_a_link_is_signed_v4_for_the_address_that_callers_see(store, s3):
    store.put("b.wav", b"RIFF", "audio/wav")
    link = store.link("b.wav", "job_1.wav")
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)
    assert link.startswith(s3)
    assert asked["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert asked["X-Amz-Expires"] == ["60"]
    answer = httpx2.get(link)
    assert answer.content == b"RIFF"
    assert 'filename="job_1.wav"' in answer.headers["content-disposition"]


def test_links_for_longer_than_a_week_are_refused():
    with pytest.raises(SettingsError, match="S1_GATEWAY_JOBS_LINK_S"):
        Settings.load({}, jobs_link_s=7 * 86_400 + 1)


def test_the_rule_stands_beside_others(store):
    client = boto3.client("s3")
    other = {"ID": "other", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 9}}
    client.put_bucket_lifecycle_configuration(Bucket="sound", LifecycleConfiguration={"Rules": [other]})
    assert store.write_rule() == store.write_rule() == 2
    rules = client.get_bucket_lifecycle_configuration(Bucket="sound")["Rules"]
    assert [(rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) for rule in rules] == [("x/", 9), ("notes/", 2)]


def test_a_bucket_that_does_not_answer_is_an_error_that_may_pass(store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = BucketStore(Settings.load({}, jobs_bucket="s3://sound/notes"))
    for use in (lambda: away.put("c", b"", "a/b"), lambda: away.get("c"), lambda: away.has("c")):
        with pytest.raises(StoreError, match="s3://sound"):
            use()
    assert away.link("c", "d") is None


def test_nothing_half_written_is_in_a_folder(tmp_path, monkeypatch):
    store = FolderStore(tmp_path)
    store.put("a.wav", b"one", "audio/wav")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space"):
        store.put("b.wav", b"two", "audio/wav")
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    store.clean(-1)
    assert store.get("a.wav") is None
