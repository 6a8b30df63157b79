"""However the engine cuts the sound, the caller gets the same bytes, the first of them as early as can be."""

import io
import struct
from collections.abc import Iterator

import av
import numpy as np
import pytest
from av import AudioCodecContext
from hypothesis import given, settings
from hypothesis import strategies as st

from s1_gateway.encoding import AudioFormat, SoundEncoder, SoundSpec
from s1_gateway.encoding.formats import TRAITS
from s1_protocol.sound import SAMPLE_RATE_HZ
from tests.unit.gateway.sounds import AV_CONTAINERS, decode_with_av, encode, pieces, voice

SPOKEN = voice(0.6)
LENGTHS = st.lists(st.integers(0, 9000), max_size=12)
OTHERS = [
    SoundSpec(audio_format, rate_hz)
    for audio_format in AudioFormat
    if audio_format is not AudioFormat.OPUS
    for rate_hz in sorted({8_000, 24_000, SAMPLE_RATE_HZ} & set(TRAITS[audio_format].rates_hz))
]
PROCESSED = [
    SoundSpec(AudioFormat.PCM_F32LE, 24_000, speed=0.25),
    SoundSpec(AudioFormat.PCM_F32LE, SAMPLE_RATE_HZ, speed=0.7),
    SoundSpec(AudioFormat.PCM_F32LE, SAMPLE_RATE_HZ, speed=3.0),
    SoundSpec(AudioFormat.PCM_F32LE, SAMPLE_RATE_HZ, volume_db=12),
    SoundSpec(AudioFormat.PCM_F32LE, 8_000, speed=1.5, volume_db=-3, normalize_loudness=True),
]


@pytest.mark.parametrize("spec", [*OTHERS, *PROCESSED], ids=str)
@settings(max_examples=8, deadline=None)
@given(lengths=LENGTHS)
def test_any_pieces_give_the_same_bytes(spec: SoundSpec, lengths: list[int]) -> None:
    assert encode(spec, SPOKEN, lengths) == encode(spec, SPOKEN)


@pytest.mark.parametrize("rate_hz", TRAITS[AudioFormat.OPUS].rates_hz)
@settings(max_examples=8, deadline=None)
@given(lengths=LENGTHS)
def test_any_pieces_give_the_same_opus_packets(rate_hz: int, lengths: list[int]) -> None:
    spec = SoundSpec(AudioFormat.OPUS, rate_hz)
    cut, whole = encode(spec, SPOKEN, lengths), encode(spec, SPOKEN)
    assert list(packets(cut))[2:] == list(packets(whole))[2:]
    assert np.array_equal(decode_with_av(spec, cut), decode_with_av(spec, whole))


def packets(data: bytes) -> Iterator[bytes]:
    """The packets of an Ogg stream in which none goes over the end of a page."""
    position, page_number = 0, 0
    while position < len(data):
        magic, version, _, _, _, sequence, _, segments = struct.unpack_from("<4sBBqIIIB", data, position)
        assert (magic, version, sequence) == (b"OggS", 0, page_number)
        lacing = data[position + 27 : position + 27 + segments]
        position, page_number, begin = position + 27 + segments, page_number + 1, position + 27 + segments
        for length in lacing:
            position += length
            if length < 255:
                yield data[begin:position]
                begin = position
        assert begin == position


def first_sound_samples(spec: SoundSpec) -> int:
    """How many of the engine's samples go in until the bytes that came out hold a whole frame of the format."""
    encoder, came, taken = SoundEncoder(spec), b"", 0
    for piece in pieces(SPOKEN, [16] * (len(SPOKEN) // 16)):
        taken += len(piece)
        if new := encoder.encode(piece):
            came += new
            if has_frame(spec, came):
                return taken
    raise AssertionError("no sound came")


def has_frame(spec: SoundSpec, data: bytes) -> bool:
    if spec.format.value.startswith("pcm") or spec.format is AudioFormat.WAV:
        return len(data) > 44
    if spec.format is AudioFormat.OPUS:
        return len(list(packets(data))) > 2 + DROPPED_PACKETS
    if spec.format is AudioFormat.MP3:
        assert spec.rate_hz == SAMPLE_RATE_HZ
        return len(data) >= 144 * spec.chosen_bit_rate_bps // spec.rate_hz
    with av.open(io.BytesIO(data), format=AV_CONTAINERS[spec.format]) as container:
        return any(packet.size for packet in container.demux(audio=0))


OPUS_PACKET_SAMPLES = 960  # at 48 kHz, 20 ms
DROPPED_PACKETS = 4  # at the beginning of an Ogg/Opus stream
PCM_24K = SoundSpec(AudioFormat.PCM_S16LE, 24_000)


def test_the_first_sound_of_pcm_comes_with_the_engines_first_frame() -> None:
    frame = 2048
    table = {
        rate: first_sound_samples(SoundSpec(AudioFormat.PCM_S16LE, rate))
        for rate in TRAITS[AudioFormat.PCM_S16LE].rates_hz
    }
    assert all(samples <= frame for samples in table.values()), table
    assert table[8_000] <= 400  # 9 ms: a telephone's caller does not wait for the resampler


@pytest.mark.parametrize("rate_hz", TRAITS[AudioFormat.OPUS].rates_hz)
def test_opus_loses_nothing_in_a_player_that_drops_80_ms_whatever_the_header_says(rate_hz: int) -> None:
    """VLC 3.0.24 does. What it drops is silence that others are told to drop, and the sound begins right behind it."""
    spec = SoundSpec(AudioFormat.OPUS, rate_hz)
    data = encode(spec, SPOKEN)
    head, _, *sound = packets(data)
    assert struct.unpack_from("<H", head, 10) == (DROPPED_PACKETS * OPUS_PACKET_SAMPLES,)
    decoder = AudioCodecContext.create("opus", "r")
    frames = [frame.to_ndarray()[0] for packet in map(av.Packet, sound) for frame in decoder.decode(packet)]
    kept = np.concatenate(frames[DROPPED_PACKETS:])
    heard = decode_with_av(spec, data)
    assert np.array_equal(kept[: len(heard)], heard)


@pytest.mark.parametrize("rate_hz", TRAITS[AudioFormat.OPUS].rates_hz)
def test_the_first_sound_of_opus_is_at_most_a_packet_and_its_delay_behind_that_of_pcm(rate_hz: int) -> None:
    of_pcm = first_sound_samples(SoundSpec(AudioFormat.PCM_S16LE, rate_hz))
    packet_and_delay = (OPUS_PACKET_SAMPLES + 312) * SAMPLE_RATE_HZ // 48_000
    assert first_sound_samples(SoundSpec(AudioFormat.OPUS, rate_hz)) <= of_pcm + packet_and_delay


def test_the_first_sound_of_mp3_is_at_most_a_frame_behind_that_of_pcm() -> None:
    assert first_sound_samples(SoundSpec(AudioFormat.MP3)) <= first_sound_samples(PCM_24K) + 1152


@pytest.mark.parametrize(("audio_format", "frames"), [(AudioFormat.FLAC, 1152 + 16), (AudioFormat.AAC, 3 * 1024)])
def test_the_first_sound_of_flac_comes_after_one_frame_and_of_aac_after_three(
    audio_format: AudioFormat, frames: int
) -> None:
    assert first_sound_samples(SoundSpec(audio_format)) <= frames


# a filter waits for a window of 2048 samples, and for the next window to find where it fits
@pytest.mark.parametrize(
    ("speed", "most"), [(0.25, 4608), (0.5, 3072), (0.8, 3700), (1.25, 4608), (2.0, 6144), (4.0, 18_432)]
)
def test_speed_holds_back_two_windows_a_filter(speed: float, most: int) -> None:
    assert first_sound_samples(SoundSpec(AudioFormat.PCM_S16LE, SAMPLE_RATE_HZ, speed=speed)) <= most
