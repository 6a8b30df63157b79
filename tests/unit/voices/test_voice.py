"""Ids cannot leave their place, and a voice comes back from its archive as it was."""

import contextlib
import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1_protocol.checks import check_voice_id
from s1_protocol.errors import InvalidArgumentError
from s1_protocol.limits import MAX_RECORDINGS
from s1_protocol.names import Field
from s1_tts.voices.voice import Recording, Voice, check_recordings, read_metadata
from s1_tts.voices.voice_archive import BrokenVoiceError, pack, unpack
from s1_tts.wire.voice_fields import read_voice_ask
from tests.unit.voices.sounds import recording

BAD_IDS = [
    "",
    ".",
    "..",
    "../anna",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "..%2fanna",
    "%2e%2e",
    ".hidden",
    "-anna",
    "_anna",
    "Anna",
    "änna",
    "anna\n",
    "anna\x00",
    "a b",
    "a" * 65,
]


@pytest.mark.parametrize("text", ["a", "0", "anna", "anna-2.de_fast", "a..b", "a" * 64])
def test_ids(text: str) -> None:
    assert check_voice_id(text) == text


@pytest.mark.parametrize("text", BAD_IDS)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_voice_id(text)
    assert caught.value.field == "voice"


def voice() -> Voice:
    codes = np.arange(30, dtype=np.int32).reshape(3, 10)
    return Voice("anna", (Recording(b"sound", "Hé 你好", codes, "f1"), Recording(b"more", "there")), {"language": "de"})


def test_a_voice_comes_back_from_its_archive() -> None:
    before = voice()
    after = unpack("anna", pack(before), "v7")
    assert (after.id, after.metadata, after.version) == ("anna", {"language": "de"}, "v7")
    assert [(r.audio, r.transcript, r.fingerprint) for r in after.recordings] == [
        (r.audio, r.transcript, r.fingerprint) for r in before.recordings
    ]
    np.testing.assert_array_equal(after.recordings[0].codes, before.recordings[0].codes)
    assert after.recordings[1].codes is None
    assert after.recordings[0].codes_of("f1") is not None
    assert after.recordings[0].codes_of("f2") is None


@pytest.mark.parametrize("length", [0, 10, 200, -1])
def test_a_truncated_archive_is_told(length: int) -> None:
    data = pack(voice())
    with pytest.raises(BrokenVoiceError, match="'anna'"):
        unpack("anna", data[:length], "")


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_archive_is_read_or_told(seed: int) -> None:
    generator = np.random.default_rng(seed)
    data = bytearray(pack(voice()))
    for place in generator.integers(0, len(data), 3):
        data[place] = generator.integers(256)
    with contextlib.suppress(BrokenVoiceError):
        unpack("anna", bytes(data), "")


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        [],
        {"format": 2, "recordings": [{"transcript": "a", "fingerprint": ""}], "metadata": {}},
        {"format": 1, "recordings": [], "metadata": {}},
        {"format": 1, "recordings": [{"transcript": "a", "fingerprint": ""}], "metadata": {}},
        {"format": 1, "recordings": 5, "metadata": {}},
    ],
)
def test_an_archive_of_something_else_is_told(manifest: object) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("voice.json", json.dumps(manifest))
    with pytest.raises(BrokenVoiceError):
        unpack("anna", buffer.getvalue(), "")


@pytest.mark.parametrize("text", ["", "[]", "5", "{", '{"a": ' * 5000, '{"a": "' + "x" * 70_000 + '"}'])
def test_other_metadata_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        read_metadata(text)
    assert caught.value.field == "metadata"


def test_a_voice_has_some_recordings_and_not_too_many() -> None:
    for count in (0, MAX_RECORDINGS + 1):
        with pytest.raises(InvalidArgumentError, match=f"got {count} recordings"):
            check_recordings([Recording(b"x", "words")] * count)
    assert len(check_recordings([Recording(b"x", "words")] * MAX_RECORDINGS)) == MAX_RECORDINGS


def row(*values: str | bytes) -> np.ndarray:
    return np.array([[value.encode() if isinstance(value, str) else value for value in values]], dtype=object)


def test_nothing_asked_is_nothing_added() -> None:
    assert read_voice_ask({Field.TEXT: row("Hello.")}).is_empty


def test_recordings_keep_their_order() -> None:
    sounds = [recording(200), recording(300)]
    ask = read_voice_ask({Field.REFERENCE_AUDIO: row(*sounds), Field.REFERENCE_TEXT: row("one", "two")})
    assert [(each.audio, each.transcript) for each in ask.recordings] == [(sounds[0], "one"), (sounds[1], "two")]


@pytest.mark.parametrize(
    ("tensors", "field"),
    [
        ({Field.VOICE: row("../x")}, "voice"),
        ({Field.VOICE: row("a", "b")}, "voice"),
        ({Field.VOICE: row(b"\xff")}, "voice"),
        ({Field.VOICE: row("a"), Field.REFERENCE_AUDIO: row(b"x"), Field.REFERENCE_TEXT: row("t")}, "voice"),
        ({Field.REFERENCE_AUDIO: row(b"x")}, "reference_text"),
        ({Field.REFERENCE_TEXT: row("t")}, "reference_audio"),
        ({Field.VOICE: row("a"), Field.REFERENCE_TEXT: row("t")}, "reference_audio"),
        ({Field.REFERENCE_AUDIO: row(b""), Field.REFERENCE_TEXT: row("t")}, "reference_audio"),
        ({Field.REFERENCE_AUDIO: row(b"x"), Field.REFERENCE_TEXT: row(" ?!")}, "reference_text"),
        ({Field.REFERENCE_AUDIO: row(b"x"), Field.REFERENCE_TEXT: row("t" * 5001)}, "reference_text"),
        ({Field.REFERENCE_AUDIO: row(b"x"), Field.REFERENCE_TEXT: row("t", "u")}, "reference_text"),
        ({Field.REFERENCE_AUDIO: row(b"x"), Field.REFERENCE_TEXT: row(b"\xff")}, "reference_text"),
    ],
)
def test_a_wrong_ask_is_refused_by_field(tensors: dict[Field, np.ndarray], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        read_voice_ask(tensors)
    assert caught.value.field == field


def archive_of(manifest: object, method: int = zipfile.ZIP_STORED, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("voice.json", manifest if isinstance(manifest, bytes) else json.dumps(manifest))
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


MANIFEST = {"format": 1, "recordings": [{"transcript": "a", "fingerprint": ""}], "metadata": {}}


def broken_archives() -> dict[str, bytes]:
    """Files of every way that a stored voice may be damaged or be something else."""
    deflated = bytearray(archive_of(MANIFEST, zipfile.ZIP_DEFLATED, **{"0_audio": b"sound" * 100}))
    packed = deflated.find(b"0.audio") + len(b"0.audio")
    deflated[packed : packed + 3] = b"\xff\xff\xff"
    locked = bytearray(archive_of(MANIFEST, **{"0_audio": b"sound"}))
    for mark, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        start = locked.find(mark)
        while start >= 0:
            locked[start + place] |= 1  # as if it had a password
            start = locked.find(mark, start + 1)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i4", "fortran_order": False, "shape": (10, 10**9)})
    return {
        "compressed data that is none": bytes(deflated),
        "a password": bytes(locked),
        "no text": archive_of(b"\xff\xfe{", **{"0_audio": b"sound"}),
        "a list": archive_of([MANIFEST], **{"0_audio": b"sound"}),
        "entries that are numbers": archive_of(MANIFEST | {"recordings": [7]}, **{"0_audio": b"sound"}),
        "metadata that is a number": archive_of(MANIFEST | {"metadata": 7}, **{"0_audio": b"sound"}),
        "codes that are none": archive_of(MANIFEST, **{"0_audio": b"sound", "0_npy": b"codes"}),
        "codes that promise more": archive_of(MANIFEST, **{"0_audio": b"sound", "0_npy": header.getvalue()}),
        "nothing": b"",
    }


@pytest.mark.parametrize("fault", broken_archives())
def test_every_damaged_file_of_a_voice_is_told_as_that(fault: str) -> None:
    with pytest.raises(BrokenVoiceError, match=r"the stored voice 'anna' cannot be read: .*store it again, or remove"):
        unpack("anna", broken_archives()[fault], "")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"a": ' + "[" * 70 + "]" * 70 + "}",
    ],
)
def test_metadata_that_could_not_be_read_again_is_refused_before_anything_is_written(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^metadata: "):
        read_metadata(text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_what_is_written_is_read_again(value: object) -> None:
    """The writer obeys the reader's limits: a voice is refused, or comes back as it was."""
    before = Voice("anna", (Recording(b"sound", "words"),), {"value": value})
    try:
        data = pack(before)
    except InvalidArgumentError:
        return
    assert unpack("anna", data, "").metadata == before.metadata


def test_the_largest_voice_can_be_read() -> None:
    """Metadata at its limit, which indentation would make much longer; transcripts of characters that JSON escapes."""
    metadata = read_metadata('{"a":[' + ",".join(["0"] * 32_000) + "]}")
    transcript = "a" + "\x01" * 4_999
    before = Voice("anna", tuple(Recording(b"sound", transcript) for _ in range(MAX_RECORDINGS)), metadata)
    assert unpack("anna", pack(before), "").metadata == metadata
