"""Every store keeps the same promises; S3 is moto's server and the hub a server of ours, both on the loopback."""

import fcntl
import logging
import os
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import huggingface_hub.constants
import numpy as np
import pytest
from huggingface_hub import HfApi
from moto.server import ThreadedMotoServer

from s1_protocol.errors import InvalidArgumentError, NotFoundError, S1Error, SettingsError, UnavailableError
from s1_tts.settings import Settings
from s1_tts.voices import hub as hub_module
from s1_tts.voices.folder import FolderStore
from s1_tts.voices.hub import HubStore
from s1_tts.voices.location import open_store, store_of
from s1_tts.voices.s3 import S3Store
from s1_tts.voices.store import VoiceStore
from s1_tts.voices.voice import Recording, Voice
from s1_tts.voices.voice_archive import BrokenVoiceError
from tests.unit.voices.hub_server import REPOSITORY, HubFiles, serve
from tests.unit.voices.sounds import recording

BUCKET = "voices"


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Location of an empty part of a bucket."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}/speakers"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubFiles]:
    files = HubFiles({"README.md": b"voices"})
    server = serve(files)
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(hub_module, "HfApi", lambda: HfApi(endpoint=endpoint))
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    yield files
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["folder", "s3", "hub"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> VoiceStore:
    if request.param == "folder":
        return open_store(str(tmp_path / "deep" / "voices"))
    if request.param == "s3":
        return open_store(request.getfixturevalue("s3"))
    request.getfixturevalue("hub")
    return open_store(f"hf://{REPOSITORY}")


def voice(voice_id: str = "anna", audio: bytes = b"sound", **changes: object) -> Voice:
    made = Voice(voice_id, (Recording(audio, "first"), Recording(b"more", "second")), {"language": "de"})
    return replace(made, **changes)  # type: ignore[arg-type]


def test_an_empty_store(store: VoiceStore) -> None:
    assert store.list() == []
    for ask in (store.get, store.version, store.delete):
        with pytest.raises(NotFoundError, match="no voice 'anna'"):
            ask("anna")


def test_a_voice_is_kept_listed_replaced_and_removed(store: VoiceStore) -> None:
    store.put(voice())
    store.put(voice("berta"))
    assert store.list() == ["anna", "berta"]
    first = store.get("anna")
    assert (first.id, first.metadata, first.version) == ("anna", {"language": "de"}, store.version("anna"))
    assert [recording.transcript for recording in first.recordings] == ["first", "second"]
    store.put(voice(audio=b"another sound"))
    assert store.get("anna").recordings[0].audio == b"another sound"
    assert store.version("anna") != first.version
    assert store.get("berta").recordings[0].audio == b"sound"
    store.delete("anna")
    assert store.list() == ["berta"]
    with pytest.raises(NotFoundError):
        store.get("anna")


def with_codes(read: Voice) -> Voice:
    codes = np.zeros((2, 3), np.int32)
    return replace(read, recordings=tuple(replace(each, codes=codes, fingerprint="new") for each in read.recordings))


def test_codes_are_written_back_only_into_the_voice_they_were_made_of(store: VoiceStore) -> None:
    store.put(voice())
    read = store.get("anna")
    assert store.refresh(with_codes(read))
    assert store.get("anna").recordings[0].codes is not None
    assert not store.refresh(with_codes(read)), "it has changed: it has codes now"
    store.put(voice(audio=b"someone else"))
    assert not store.refresh(with_codes(read))
    assert store.get("anna").recordings[0].audio == b"someone else"
    store.delete("anna")
    assert not store.refresh(with_codes(read))
    assert store.list() == []


def test_two_writers_leave_one_whole_voice(store: VoiceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s1_tts.voices.folder.LOCK_LIMIT_S", 200.0)  # a busy disk is no fault here
    sounds = [bytes([writer]) * 200_000 for writer in range(2)]
    failures: list[Exception] = []

    def write(audio: bytes) -> None:
        try:
            for _ in range(5):
                store.put(voice(audio=audio))
                assert store.get("anna").recordings[0].audio in sounds
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(audio,)) for audio in sounds]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failures
    assert store.get("anna").recordings[0].audio in sounds


@pytest.mark.slow
def test_a_thousand_voices_are_listed(tmp_path: Path, s3: str, hub: HubFiles) -> None:
    ids = [f"voice-{number:04d}" for number in range(1001)]
    folder = FolderStore(tmp_path)
    for voice_id in ids:
        (tmp_path / f"{voice_id}.zip").touch()
    assert folder.list() == ids
    client = boto3.client("s3")
    prefix = s3.removeprefix(f"s3://{BUCKET}/")
    for voice_id in ids:
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{voice_id}.zip", Body=b"")
    assert open_store(s3).list() == ids
    hub.files |= {f"{voice_id}.zip": b"" for voice_id in ids}
    assert HubStore.open(f"hf://{REPOSITORY}@main").list() == ids


def test_other_things_in_a_store_are_passed_over_and_a_broken_voice_is_told(tmp_path: Path) -> None:
    for name in ("README.md", ".voice-x.part", "Bad Name.zip", "broken.zip"):
        (tmp_path / name).write_bytes(b"not a voice")
    store = FolderStore(tmp_path)
    assert store.list() == ["broken"]
    with pytest.raises(BrokenVoiceError):
        store.get("broken")


def test_a_failed_write_leaves_the_old_voice_and_nothing_else(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(voice())
    with pytest.raises(InvalidArgumentError, match="metadata: cannot be kept"):
        store.put(voice(metadata={"no": object()}))
    assert store.get("anna").metadata == {"language": "de"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "anna.zip"]


def test_a_folder_that_is_away_is_told_and_not_made_again(tmp_path: Path) -> None:
    """A voice stored into a new folder would be hidden when the old one comes back."""
    store = FolderStore(tmp_path / "voices")
    store.put(voice())
    (tmp_path / "voices").rename(tmp_path / "away")
    asked = (store.list, lambda: store.get("anna"), lambda: store.version("anna"), lambda: store.put(voice()))
    for ask in (*asked, lambda: store.refresh(voice()), lambda: store.delete("anna")):
        with pytest.raises(UnavailableError, match="its folder is gone"):
            ask()
    assert not (tmp_path / "voices").exists()
    (tmp_path / "away").rename(tmp_path / "voices")
    assert store.list() == ["anna"]
    assert store.get("anna").recordings


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot be written"):
        FolderStore(tmp_path / "file" / "voices").put(voice())


def asks(store: VoiceStore) -> list[Callable[[], object]]:
    return [store.list, lambda: store.get("anna"), lambda: store.version("anna"), lambda: store.put(voice())]


def test_a_bucket_that_is_not_there_or_not_reached_is_unavailable(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for ask in (open_store("s3://nowhere").list, lambda: open_store("s3://nowhere").put(voice())):
        with pytest.raises(UnavailableError, match="voice store"):
            ask()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(UnavailableError):
        open_store(s3).version("anna")


def test_a_hub_that_is_not_reached_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = "http://127.0.0.1:1"
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    with pytest.raises(UnavailableError):
        HubStore(REPOSITORY).version("anna")


@pytest.mark.parametrize("location", ["s3://", "s3:///x", "hf://", "hf://a/b/c", "hf://a b", "gs://bucket"])
def test_a_malformed_location_is_refused(location: str, s3: str) -> None:
    with pytest.raises(SettingsError, match="voices"):
        open_store(location)


SECRET = "fJ3kx9SECRET"


@pytest.mark.parametrize(
    "location",
    [
        f"s3://AKIAKEY:{SECRET}@bucket/prefix",
        f"s3://AKIAKEY:{SECRET}/more@bucket",
        f"s3://bucket/prefix?X-Amz-Signature={SECRET}",
        f"hf://{SECRET}@owner/name",
        f"https://user:{SECRET}@host/voices",
    ],
)
def test_a_secret_in_a_location_is_refused_and_not_repeated(
    location: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SettingsError, match="voices: names a user, a key") as caught:
        open_store(location)
    monkeypatch.setenv("S1_VOICES", location)
    with pytest.raises(SettingsError, match=r"S1_VOICES: .*names a user, a key") as set_wrong:
        Settings.load()
    told = "".join(traceback.format_exception(caught.value) + traceback.format_exception(set_wrong.value))
    assert SECRET not in told + caplog.text


def test_the_setting_chooses_the_store(tmp_path: Path, s3: str) -> None:
    checkpoint = tmp_path / "checkpoints" / "tiny"
    store_of(Settings(checkpoint=checkpoint)).put(voice())
    assert (tmp_path / "checkpoints" / "voices" / "anna.zip").is_file()
    assert isinstance(store_of(Settings(checkpoint=checkpoint, voices=s3)), S3Store)
    assert isinstance(store_of(Settings(voices="hf://a/b@v1")), HubStore)
    with pytest.raises(SettingsError):
        store_of(Settings())


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_voice_has_the_mode_that_the_umask_gives_files(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        FolderStore(tmp_path).put(Voice("anna", (Recording(recording(), "Words."),)))
    finally:
        os.umask(before)
    assert (tmp_path / "anna.zip").stat().st_mode & 0o777 == mode
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_what_cannot_be_read_is_told_as_what_cannot_be_written_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "anna.zip").mkdir()
    store = FolderStore(tmp_path)
    with pytest.raises(UnavailableError, match="the voice store cannot be read: Is a directory"):
        store.get("anna")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name, call in (("stat", lambda: store.version("anna")), ("listdir", store.list)):
        with monkeypatch.context() as patch:
            patch.setattr(f"s1_tts.voices.folder.os.{name}", denied)
            if name == "listdir":
                patch.setattr(Path, "is_dir", lambda _: True)
            with pytest.raises(UnavailableError, match="cannot be read: Permission denied"):
                call()


def test_a_lock_that_somebody_keeps_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s1_tts.voices.folder.LOCK_LIMIT_S", 0.1)
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (tmp_path / "anna.zip").touch()
        with pytest.raises(UnavailableError, match=r"has held its lock for 0\.1 s"):
            FolderStore(tmp_path).delete("anna")


def test_no_refusal_tells_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers see these words, and the folder is nobody else's business."""
    folder = tmp_path / "secret-place"
    store = FolderStore(folder)
    store.put(Voice("anna", (Recording(recording(), "Words."),)))
    (folder / "berta.zip").write_bytes(b"no archive")
    (folder / "carla.zip").mkdir()
    monkeypatch.setattr("s1_tts.voices.folder.os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
    told = []
    for call in (
        lambda: store.get("nobody"),
        lambda: store.get("berta"),
        lambda: store.get("carla"),
        lambda: store.put(Voice("dora", (Recording(recording(), "Words."),))),
        lambda: (folder.rename(tmp_path / "away"), store.get("anna")),
    ):
        with pytest.raises(S1Error) as refused:
            call()
        told.append(str(refused.value))
    assert len(told) == 5
    assert not [message for message in told if "secret-place" in message or str(tmp_path) in message]
