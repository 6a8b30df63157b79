"""Any usual audio file becomes mono samples at the codec's rate; every other one is refused by name of its fault."""

import contextlib
import io

import numpy as np
import pytest
import soundfile

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.limits import MAX_RECORDING_BYTES
from s1_tts.voices import audio
from s1_tts.voices.audio import read_recording
from tests.unit.voices.sounds import chirp, file_of

KINDS = ("WAV", "FLAC", "OGG", "MP3")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_every_format_and_rate_gives_the_same_sound(kind: str, rate_hz: int) -> None:
    samples = read_recording(file_of(chirp(1.5, rate_hz=rate_hz), rate_hz, kind))
    assert samples.dtype == np.float32
    assert len(samples) / 44_100 == pytest.approx(1.5, abs=0.06)  # MP3 adds its encoder's delay
    spectrum = np.abs(np.fft.rfft(samples[11_025:33_075]))
    peak_hz = np.argmax(spectrum) * 44_100 / 22_050
    assert 220 < peak_hz < 400


def test_channels_are_mixed() -> None:
    left, right = chirp(hz=200), chirp(hz=300)
    mixed = read_recording(file_of(np.stack([left, right], axis=1)))
    np.testing.assert_allclose(mixed, (left + right) / 2, atol=1e-4)


def test_sound_at_the_codecs_rate_is_not_touched() -> None:
    samples = chirp()
    np.testing.assert_allclose(read_recording(file_of(samples)), samples, atol=1e-4)


@pytest.mark.parametrize("length_s", [1.0, 90.0])
def test_the_shortest_and_the_longest_are_taken(length_s: float) -> None:
    assert len(read_recording(file_of(chirp(length_s, rate_hz=8_000), 8_000))) == length_s * 44_100


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        read_recording(data)
    assert caught.value.field == "reference_audio"
    assert "1 to 90 s" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "is empty"),
        (b"not a sound at all" * 100, "is no audio file"),
        (file_of(np.zeros(50_000, np.float32)), "is silent"),
        (file_of(chirp(level=0.0005)), "is silent"),
        (file_of(chirp(0.9)), "is too short: 0.90 s"),
        (file_of(chirp(90.5, rate_hz=8_000), 8_000), "is too long: 90.50 s"),
        (file_of(chirp(2, rate_hz=4_000), 4_000), "has 4000 samples a second"),
        (file_of(np.stack([chirp()] * 9, axis=1)), "has 9 channels"),
        (file_of(chirp(), kind="AIFF"), "is a file of format AIFF"),
        (file_of(chirp())[:44], "is truncated"),
    ],
)
def test_what_cannot_be_used_is_refused(data: bytes, fault: str) -> None:
    assert fault in refusal(data)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    whole = file_of(chirp(3), kind=kind)
    message = refusal(whole[: int(len(whole) * share)])
    assert "is truncated" in message or "is broken" in message


def test_a_wav_of_a_recorder_that_could_not_go_back_is_taken() -> None:
    whole = bytearray(file_of(chirp()))
    whole[4:8] = b"\xff\xff\xff\xff"
    assert len(read_recording(bytes(whole))) == 1.5 * 44_100


def test_values_that_are_no_numbers_are_refused() -> None:
    samples = chirp()
    samples[1000] = np.nan
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 44_100, format="WAV", subtype="FLOAT")
    assert "not finite" in refusal(buffer.getvalue())


def test_an_oversized_file_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "soundfile", None)
    assert "too large" in refusal(bytes(MAX_RECORDING_BYTES + 1))


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(seed: int) -> None:
    generator = np.random.default_rng(seed)
    data = bytearray(file_of(chirp(), kind=KINDS[seed % 4]))
    for place in generator.integers(0, min(len(data), 4000), 20):
        data[place] = generator.integers(256)
    with contextlib.suppress(InvalidArgumentError):
        assert np.isfinite(read_recording(bytes(data))).all()
