"""Volume is exact where there is room, and never clips where there is none."""

import numpy as np
import pytest

from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.encoding.loudness import CEILING
from s1_protocol.sound import SAMPLE_RATE_HZ
from tests.unit.gateway.sounds import (
    Floats,
    decode_with_av,
    encode,
    pitch_hz,
    tone,
    voice,
    worst_window_error_db,
)


def heard(samples: np.ndarray, volume_db: float, *, normalized: bool = False) -> Floats:
    spec = SoundSpec(AudioFormat.PCM_F32LE, SAMPLE_RATE_HZ, volume_db=volume_db, normalize_loudness=normalized)
    return decode_with_av(spec, encode(spec, samples, [2048, 100, 4096]))


def level_db(sound: Floats) -> float:
    return float(10 * np.log10((sound**2).mean()))


@pytest.mark.parametrize("volume_db", [-20, -3, 1, 6, 20])
def test_a_quiet_sound_is_changed_by_exactly_the_volume(volume_db: float) -> None:
    original = tone(1.0, level=0.05)
    sound = heard(original, volume_db)
    assert len(sound) == len(original)
    assert np.allclose(sound, original / 32768 * 10 ** (volume_db / 20), atol=1e-5)


@pytest.mark.parametrize("volume_db", [3, 12, 20])
def test_a_loud_sound_is_held_under_full_scale_without_distortion(volume_db: float) -> None:
    sound = heard(tone(2.0, level=0.9), volume_db)
    assert np.abs(sound).max() <= CEILING + 1e-4
    assert worst_window_error_db(sound[4410:], SAMPLE_RATE_HZ, 440) < -40
    assert pitch_hz(sound, SAMPLE_RATE_HZ) == pytest.approx(440, rel=0.002)


def test_after_a_loud_moment_the_volume_comes_back() -> None:
    sound = heard(np.concatenate([tone(0.5, level=0.05), tone(0.2, level=0.9), tone(1.5, level=0.05)]), 12)
    before, after = sound[4410 : SAMPLE_RATE_HZ // 3], sound[-SAMPLE_RATE_HZ // 2 :]
    assert level_db(before) == pytest.approx(level_db(after), abs=0.1)
    assert np.abs(sound).max() <= CEILING + 1e-4


@pytest.mark.parametrize("volume_db", [-6.0, 15.0])
@pytest.mark.parametrize("samples", [0, 1, 219, 220, 221, 440, 10_000])
def test_no_sample_is_lost(samples: int, volume_db: float) -> None:
    assert len(heard(voice(0.5)[:samples], volume_db) if samples else []) == samples


@pytest.mark.parametrize("level", [0.2, 1.0, 3.0])
def test_normalising_brings_voices_nearer_to_each_other_the_longer_they_speak(level: float) -> None:
    original = np.round(voice(6.0) * level).astype(np.int16)
    sound = heard(original, 0, normalized=True)
    second = SAMPLE_RATE_HZ
    off_at_first = abs(level_db(original / 32768) - -20)
    off_at_last = abs(level_db(sound[-2 * second :]) - -20)
    assert off_at_last <= max(1.5, 0.5 * off_at_first)
    assert level_db(sound[:2205]) == pytest.approx(level_db(original[:2205] / 32768), abs=1.0)  # no jump at the start
    assert np.abs(sound).max() <= CEILING + 1e-4


def test_silence_stays_silence() -> None:
    assert not heard(np.zeros(9000, np.int16), 20, normalized=True).any()
