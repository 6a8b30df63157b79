"""Any usual audio file becomes mono samples at the codec's rate; every other one is refused by name of its fault."""

import contextlib
import io
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.limits import MAX_RECORDING_BYTES
from s1_tts.voices.audio import RecordingReader, read_recording
from s1_tts.voices.sound import process
from s1_tts.voices.transcript import check_fit
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
        (b"%PDF-1.7" + bytes(100), "is a PDF document"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
        (b'{"error": {"message": "not found"}}' * 9, "is JSON text"),
        (b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n", "is a playlist"),
        (b"UklGRiQAAABXQVZFZm10IBAAAAABAAEA", "is base64 text"),
        (b"\x02#!SILK_V3" + bytes(100), "is a SILK file"),
        (b"wvpk" + bytes(100), "is a WavPack file"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "is an AVI video"),
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


def test_an_oversized_file_is_refused_unread() -> None:
    assert "too large" in refusal(b"RIFF" + bytes(MAX_RECORDING_BYTES))


# --- channels and levels ---


@pytest.mark.parametrize("other", [-1.0, -0.8, -0.5])
def test_channels_that_cancel_each_other_are_not_mixed(other: float) -> None:
    left = chirp()
    samples = read_recording(file_of(np.stack([left, left * np.float32(other)], axis=1)))
    np.testing.assert_allclose(samples, left, atol=1e-3)


def test_channels_that_cancel_each_other_in_a_part_only_are_not_mixed() -> None:
    left, sign = chirp(3), np.ones(3 * 44_100, np.float32)
    sign[44_100 : 2 * 44_100] = -1
    np.testing.assert_allclose(read_recording(file_of(np.stack([left, left * sign], axis=1))), left, atol=1e-3)


def test_of_two_speakers_on_two_channels_both_are_heard() -> None:
    left, right = chirp(4), chirp(4, hz=300)
    left[-44_100:], right[:-44_100] = 0, 0
    mixed = read_recording(file_of(np.stack([left, right], axis=1)))
    np.testing.assert_allclose(mixed, (left + right) / 2, atol=1e-3)


def test_a_soft_voice_on_one_of_eight_channels_is_not_silent() -> None:
    channels = np.zeros((66_150, 8), np.float32)
    channels[:, 5] = chirp(level=0.005)
    np.testing.assert_allclose(read_recording(file_of(channels)), channels[:, 5], atol=1e-4)


def test_a_constant_is_silence() -> None:
    assert "is silent" in refusal(file_of(np.full(66_150, 0.25, np.float32)))


def float_file(samples: npt.NDArray[np.floating], subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 44_100, format="WAV", subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize("scale", [1.5, 32_768.0, 2.0**31])
def test_floats_beyond_full_scale_are_turned_down_not_clipped(scale: float) -> None:
    samples = chirp()
    read = read_recording(float_file(samples * np.float32(scale)))
    np.testing.assert_allclose(read / np.abs(read).max(), samples / np.abs(samples).max(), atol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_that_are_none_are_refused_in_any_channel(value: float, channel: int, subtype: str) -> None:
    samples = np.stack([chirp(), chirp(hz=300)], axis=1)
    samples[1000, channel] = value
    assert "not finite" in refusal(float_file(samples, subtype))


def test_a_number_that_only_a_double_can_hold_is_no_sound() -> None:
    samples = chirp().astype(np.float64)
    samples[1000] = 1e300
    assert "not finite" in refusal(float_file(samples, "DOUBLE"))


# --- what telephones record, and containers that tell of too much ---


def by_pyav(codec: str, container: str, rate_hz: int, length_s: float = 2.0) -> bytes:
    """A file of a codec that Debian's ffmpeg does not write."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(chirp(length_s, rate_hz=rate_hz)[None], format="flt", layout="mono")
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode()]:
            output.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("container", ["amr", "3gp"])
def test_amr_of_telephones_is_read(container: str) -> None:
    data = by_pyav("libopencore_amrnb", container, 8_000)
    assert len(read_recording(data)) / 44_100 == pytest.approx(2.0, abs=0.05)
    if container == "amr":
        assert len(read_recording(data + data)) / 44_100 == pytest.approx(4.0, abs=0.1)


def flac_that_tells(rate_hz: int, channels: int, samples: int) -> bytes:
    data = bytearray(file_of(chirp(), kind="FLAC"))
    data[18:26] = (rate_hz << 44 | (channels - 1) << 41 | 15 << 36 | samples).to_bytes(8, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (file_of(chirp())[:22] + struct.pack("<H", 65_535) + file_of(chirp())[24:], "channels"),
        (file_of(chirp())[:24] + struct.pack("<I", 2**31) + file_of(chirp())[28:], "samples a second"),
    ],
)
def test_forms_beyond_reason_cost_nothing(data: bytes, fault: str) -> None:
    begun = time.process_time()
    assert fault in refusal(data) or "cannot be decoded" in refusal(data)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("rate_hz", [1, 655_350])
def test_what_frames_tell_counts_and_not_what_the_header_does(rate_hz: int) -> None:
    assert len(read_recording(flac_that_tells(rate_hz, 1, 0))) == 66_150


def test_a_small_file_of_hours_is_not_decoded_to_its_end() -> None:
    silence = soundfile.SoundFile(buffer := io.BytesIO(), "w", 8_000, 1, format="FLAC")
    with silence:
        for _ in range(60):
            silence.write(np.zeros(8_000 * 60, np.float32))
    assert len(buffer.getvalue()) < 1_000_000
    assert "is too long: more than 18" in refusal(buffer.getvalue())


def test_more_than_the_channels_of_a_recording_can_hold_is_refused() -> None:
    channels = np.zeros((192_000 * 25, 8), np.float32)
    assert "holds too much sound: 8 channels at 192000 Hz" in refusal(file_of(channels, 192_000, "FLAC"))


# --- the process ---


@pytest.fixture(scope="module")
def reader() -> Iterator[RecordingReader]:
    reader = RecordingReader()
    yield reader
    reader.close()


def test_the_process_reads_what_this_one_reads(reader: RecordingReader) -> None:
    for data in (file_of(chirp()), file_of(chirp(2, rate_hz=16_000), 16_000, "MP3")):
        np.testing.assert_array_equal(reader.read(data), read_recording(data))


def test_the_process_refuses_what_this_one_refuses(reader: RecordingReader) -> None:
    for data in (b"", b"not a sound", file_of(chirp(0.5))):
        with pytest.raises(InvalidArgumentError) as caught:
            reader.read(data)
        assert str(caught.value) == refusal(data)


def test_a_decoder_that_ends_costs_one_file_only(monkeypatch: pytest.MonkeyPatch, reader: RecordingReader) -> None:
    running = reader._process._running()

    def ending() -> object:
        running.kill()
        return running

    with monkeypatch.context() as patch:
        patch.setattr(reader._process, "_running", ending)
        with pytest.raises(InvalidArgumentError, match="ends its decoder"):
            reader.read(file_of(chirp()))
    assert len(reader.read(file_of(chirp()))) == 66_150


def test_a_file_that_takes_too_long_is_given_up() -> None:
    slow = process.SoundProcess(max_reading_s=0.0)
    with pytest.raises(process.SoundError, match="takes too long"):
        slow.read(file_of(chirp()), 44_100, 90, MAX_RECORDING_BYTES)
    slow.close()


# --- transcripts ---


@pytest.mark.parametrize(
    ("transcript", "length_s", "fits"),
    [
        ("The quick brown fox jumps over the lazy dog, said at any speed at all.", 4.0, True),
        ("The quick brown fox jumps over the lazy dog, said at a great speed, very great.", 2.0, True),
        ("The quick brown fox jumps over the lazy dog, said at any speed at all. " * 4, 4.0, False),
        ("今天天气很好，我们去公园吧。", 3.0, True),
        ("今天天气很好，我们去公园吧。" * 4, 3.0, False),
        ("一", 1.0, True),
    ],
)
def test_a_transcript_fits_its_recording(transcript: str, length_s: float, fits: bool) -> None:
    with contextlib.nullcontext() if fits else pytest.raises(InvalidArgumentError, match="cannot be said in the"):
        check_fit(transcript, length_s)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(seed: int) -> None:
    generator = np.random.default_rng(seed)
    data = bytearray(file_of(chirp(), kind=KINDS[seed % 4]))
    for place in generator.integers(0, min(len(data), 4000), 20):
        data[place] = generator.integers(256)
    with contextlib.suppress(InvalidArgumentError):
        assert np.isfinite(read_recording(bytes(data))).all()


def test_the_process_that_hands_sound_files_on_loads_no_decoder() -> None:
    """What decodes files, and may crash, must not be in a process that serves; a server without PyAV starts."""
    code = "import sys, s1_tts.voices.sound.process; sys.exit('av' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
