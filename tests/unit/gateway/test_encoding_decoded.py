"""What comes out is sound to other people's decoders: whole, in tune, in time, without clicks."""

import io
import shutil
import struct
import subprocess

import av
import numpy as np
import pytest

from s1_gateway.encoding import AudioFormat, SoundEncoder, SoundSpec, encode_whole
from s1_gateway.encoding.formats import TRAITS
from s1_gateway.encoding.mp3_info import frame_layout
from s1_protocol.sound import SAMPLE_RATE_HZ
from tests.unit.gateway.sounds import (
    decode_with_av,
    decode_with_soundfile,
    encode,
    pitch_hz,
    shift_samples,
    tone,
    voice,
    worst_window_error_db,
)

EVERY_RATE = [(audio_format, rate) for audio_format in AudioFormat for rate in TRAITS[audio_format].rates_hz]
EXACT = {
    AudioFormat.PCM_S16LE,
    AudioFormat.PCM_F32LE,
    AudioFormat.PCM_MULAW,
    AudioFormat.PCM_ALAW,
    AudioFormat.WAV,
    AudioFormat.WAV_F32LE,
    AudioFormat.FLAC,
}
FRAME_SAMPLES = {AudioFormat.MP3: 1152, AudioFormat.AAC: 1024}
PIECES = [2048, 2048, 4096, 1, 999, 8192]
# by how much a click-free tone may differ from a sine in 20 ms; a missing or doubled sample is over -20
MAX_ERROR_DB = {
    AudioFormat.OPUS: -22,
    AudioFormat.MP3: -30,
    AudioFormat.AAC: -22,
    AudioFormat.PCM_MULAW: -30,
    AudioFormat.PCM_ALAW: -30,
}
# of a length that is not known, of which it reads everything nevertheless
KNOWN_COMPLAINTS = {
    **dict.fromkeys(
        (AudioFormat.WAV, AudioFormat.WAV_F32LE), ("Guessed Channel Layout", "maximum wav data size", "corrupt")
    ),
    AudioFormat.MP3: ("Estimating duration", "invalid concatenated file detected - using bitrate for duration"),
}


@pytest.mark.parametrize(("audio_format", "rate_hz"), EVERY_RATE)
def test_a_tone_comes_back_whole_and_in_tune_from_pyav(audio_format: AudioFormat, rate_hz: int) -> None:
    spec = SoundSpec(audio_format, rate_hz)
    sound = decode_with_av(spec, encode(spec, tone(1.5), PIECES))
    heard_rate = 48_000 if audio_format is AudioFormat.OPUS else rate_hz
    check_length(spec, len(sound), heard_rate)
    middle = sound[len(sound) // 5 : -len(sound) // 5]
    assert pitch_hz(middle, heard_rate) == pytest.approx(440, rel=0.002)
    assert worst_window_error_db(middle, heard_rate, 440) < MAX_ERROR_DB.get(audio_format, -60)


@pytest.mark.parametrize(("audio_format", "rate_hz"), [each for each in EVERY_RATE if each[0] is not AudioFormat.AAC])
def test_and_all_but_aac_from_libsndfile(audio_format: AudioFormat, rate_hz: int) -> None:
    spec = SoundSpec(audio_format, rate_hz)
    whole = audio_format is AudioFormat.FLAC  # libsndfile cannot read to the end of a FLAC of unknown length
    sound, heard_rate = decode_with_soundfile(spec, encode(spec, tone(1.5), PIECES, whole=whole))
    assert heard_rate == rate_hz
    check_length(spec, len(sound), heard_rate)
    assert pitch_hz(sound[len(sound) // 5 : -len(sound) // 5], heard_rate) == pytest.approx(440, rel=0.002)


def check_length(spec: SoundSpec, samples: int, heard_rate_hz: int) -> None:
    exact = 1.5 * heard_rate_hz
    delay = SoundEncoder(spec).delay_s * heard_rate_hz
    slack = FRAME_SAMPLES.get(spec.format, 0) * 2
    assert exact + delay - 1 <= samples <= exact + delay + slack + 1


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_the_sound_is_late_by_the_declared_delay_and_no_more(audio_format: AudioFormat) -> None:
    spec = SoundSpec(audio_format)
    original = voice(1.2)
    sound = decode_with_av(spec, encode(spec, original, PIECES))
    late = shift_samples(sound, original, spec.rate_hz)
    assert late == pytest.approx(SoundEncoder(spec).delay_s * spec.rate_hz, abs=8)


class Pipe:
    """What comes over a network: it can only be read."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(size)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("bit_rate_bps", [None, 32_000])
def test_a_streamed_mp3_begins_with_its_first_sample(rate_hz: int, bit_rate_bps: int | None) -> None:
    spec = SoundSpec(AudioFormat.MP3, rate_hz, bit_rate_bps)
    original = voice(1.2)
    with av.open(Pipe(encode(spec, original, PIECES)), format="mp3") as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]).astype(np.float64)
    assert abs(shift_samples(sound, original, rate_hz)) <= 8


@pytest.mark.parametrize(
    "audio_format", [AudioFormat.PCM_S16LE, AudioFormat.WAV, AudioFormat.WAV_F32LE, AudioFormat.FLAC]
)
def test_at_the_engines_rate_lossless_formats_give_the_same_samples(audio_format: AudioFormat) -> None:
    spec = SoundSpec(audio_format, SAMPLE_RATE_HZ)
    original = voice(0.7)
    sound = decode_with_av(spec, encode(spec, original, PIECES))
    assert np.array_equal(np.round(sound * 32768).astype(np.int16), original)


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_debians_ffmpeg_reads_it_from_a_pipe_without_a_complaint(audio_format: AudioFormat) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("no ffmpeg on this machine")
    spec = SoundSpec(audio_format, 24_000)
    raw = {
        AudioFormat.PCM_S16LE: "s16le",
        AudioFormat.PCM_F32LE: "f32le",
        AudioFormat.PCM_MULAW: "mulaw",
        AudioFormat.PCM_ALAW: "alaw",
    }.get(audio_format)
    told = ["-f", raw, "-ar", "24000"] if raw else []
    command = [ffmpeg, "-v", "warning", *told, "-i", "pipe:0", "-f", "s16le", "-ar", "24000", "pipe:1"]
    done = subprocess.run(command, input=encode(spec, tone(1.5), PIECES), capture_output=True, check=True, timeout=60)
    known = KNOWN_COMPLAINTS.get(audio_format, ("Guessed Channel Layout", "Estimating duration"))
    assert not [line for line in done.stderr.decode().splitlines() if not any(words in line for words in known)]
    sound = np.frombuffer(done.stdout, "<i2") / 32768.0
    check_length(spec, len(sound), 24_000)
    assert pitch_hz(sound[6000:-6000], 24_000) == pytest.approx(440, rel=0.002)


@pytest.mark.parametrize("audio_format", [AudioFormat.WAV, AudioFormat.WAV_F32LE])
def test_a_streamed_wav_says_that_its_length_is_not_known_and_a_whole_one_tells_it(audio_format: AudioFormat) -> None:
    spec, sound = SoundSpec(audio_format, 24_000), tone(0.5)
    streamed, whole = encode(spec, sound, PIECES), encode_whole(sound, spec)
    assert struct.unpack_from("<I", streamed, 4) == struct.unpack_from("<I", streamed, 40) == (0xFFFFFFFF,)
    assert struct.unpack_from("<I", whole, 4) == (len(whole) - 8,)
    assert struct.unpack_from("<I", whole, 40) == (len(whole) - 44,)
    assert streamed[44:] == whole[44:]


def test_a_whole_flac_tells_its_length() -> None:
    spec = SoundSpec(AudioFormat.FLAC)
    data = encode_whole(tone(0.5), spec)
    assert len(decode_with_soundfile(spec, data)[0]) == SAMPLE_RATE_HZ // 2
    total = int.from_bytes(data[21:26], "big") & 0xF_FFFF_FFFF  # of STREAMINFO (RFC 9639)
    assert total == SAMPLE_RATE_HZ // 2


@pytest.mark.parametrize("audio_format", AudioFormat)
@pytest.mark.parametrize("samples", [0, 1, 700])
def test_an_answer_of_almost_nothing_is_still_a_file(audio_format: AudioFormat, samples: int) -> None:
    spec = SoundSpec(audio_format)
    data = encode(spec, tone(1.0)[:samples])
    expected = round(samples * spec.rate_hz / SAMPLE_RATE_HZ)
    if expected:
        assert len(decode_with_av(spec, data)) >= expected
    elif audio_format in {AudioFormat.WAV, AudioFormat.WAV_F32LE, AudioFormat.OPUS, AudioFormat.AAC, AudioFormat.FLAC}:
        assert data  # a header at least


@pytest.mark.parametrize("kbps", [64, 128, 192])
def test_mp3_keeps_its_rate_and_its_bit_rate(kbps: int) -> None:
    spec = SoundSpec(AudioFormat.MP3, 44_100, 1000 * kbps)
    data = encode(spec, voice(2.0), PIECES)
    info_bytes, _ = frame_layout(data[:4])
    assert (len(data) - info_bytes) * 8 / 2.0 == pytest.approx(1000 * kbps, rel=0.03)
    assert decode_with_soundfile(spec, data)[1] == 44_100
    assert b"Xing" not in data[:600]
    (flags,) = struct.unpack_from(">I", data, data.index(b"Info") + 4)
    assert not flags & 1, "a number of frames would be believed"


@pytest.mark.parametrize("rate_hz", TRAITS[AudioFormat.MP3].rates_hz)
@pytest.mark.parametrize("samples", [600, 1151, 1152, 30_000])
def test_a_whole_mp3_has_its_exact_length_and_no_delay(rate_hz: int, samples: int) -> None:
    spec, original = SoundSpec(AudioFormat.MP3, rate_hz), voice(1.0)[:samples]
    expected = len(encode(SoundSpec(AudioFormat.PCM_S16LE, rate_hz), original)) // 2
    data = encode_whole(original, spec)
    for sound in (decode_with_av(spec, data), decode_with_soundfile(spec, data)[0]):
        assert len(sound) == expected
        if samples == 30_000:
            assert shift_samples(sound, original, rate_hz) == pytest.approx(0, abs=2)


def test_a_low_mp3_bit_rate_does_not_change_the_sample_rate() -> None:
    spec = SoundSpec(AudioFormat.MP3, 44_100, 32_000)
    assert decode_with_soundfile(spec, encode(spec, voice(1.0)))[1] == 44_100


@pytest.mark.parametrize("kbps", [24, 32, 64])
def test_opus_keeps_near_its_bit_rate(kbps: int) -> None:
    data = encode(SoundSpec(AudioFormat.OPUS, 48_000, 1000 * kbps), voice(3.0))
    assert len(data) * 8 / 3.0 == pytest.approx(1000 * kbps + 2000, rel=0.15)  # and the pages


@pytest.mark.parametrize("audio_format", [AudioFormat.PCM_MULAW, AudioFormat.PCM_ALAW])
def test_the_telephones_codes_are_those_of_g711(audio_format: AudioFormat) -> None:
    spec = SoundSpec(audio_format, SAMPLE_RATE_HZ)
    codes = np.arange(256, dtype=np.uint8)
    values, _ = decode_with_soundfile(spec, codes.tobytes())
    again = np.frombuffer(encode(spec, np.round(values * 32768).astype(np.int16)), np.uint8)
    if audio_format is AudioFormat.PCM_MULAW:
        codes[0x7F] = 0xFF  # minus zero
    assert np.array_equal(again, codes)

    every_sample = np.arange(-32_768, 32_768).astype(np.int16)
    decoded = np.round(decode_with_soundfile(spec, encode(spec, every_sample))[0] * 32768)
    assert (np.diff(decoded) >= 0).all()
    # steps are a sixteenth of the segment, whose lower end is half of its upper one; 644 are over the highest code
    assert (np.abs(decoded - every_sample) <= np.abs(decoded) / 31 + 8)[644:-644].all()
