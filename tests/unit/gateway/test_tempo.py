"""Speed changes the length exactly and the pitch not at all."""

import numpy as np
import pytest

from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.encoding.tempo import tempos
from s1_protocol.sound import SAMPLE_RATE_HZ
from tests.unit.gateway.sounds import Floats, decode_with_av, encode, pitch_hz, tone, voice

SPEEDS = [0.25, 0.4, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0]


def stretched(samples: np.ndarray, speed: float, rate_hz: int = SAMPLE_RATE_HZ) -> Floats:
    spec = SoundSpec(AudioFormat.PCM_S16LE, rate_hz, speed=speed)
    return decode_with_av(spec, encode(spec, samples, [2048, 4096, 5000]))


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_tone_keeps_its_pitch_and_its_level(speed: float) -> None:
    sound = stretched(tone(3.0), speed)
    assert len(sound) == round(3.0 * SAMPLE_RATE_HZ / speed)
    middle = sound[len(sound) // 5 : -len(sound) // 5]
    assert pitch_hz(middle, SAMPLE_RATE_HZ) == pytest.approx(440, rel=0.003)
    levels = np.sqrt((middle[: len(middle) // 2205 * 2205].reshape(-1, 2205) ** 2).mean(1))  # of 50 ms
    assert levels.min() > 0.9 * 0.3 / np.sqrt(2)
    assert levels.max() < 1.1 * 0.3 / np.sqrt(2)


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_voice_keeps_its_pitch_and_its_syllables_come_at_the_new_speed(speed: float) -> None:
    original = voice(3.0)
    sound = stretched(original, speed)
    assert fundamental_hz(sound) == pytest.approx(fundamental_hz(original / 32768), rel=0.01)
    assert syllables_a_second(sound) == pytest.approx(4 * speed, rel=0.05)


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_end_is_kept(speed: float) -> None:
    quiet_then_loud = np.concatenate([tone(1.0, level=0.01), tone(0.2, level=0.5)])
    sound = stretched(quiet_then_loud, speed)
    ending = sound[-round(0.1 * SAMPLE_RATE_HZ / speed) :]
    assert np.sqrt((ending**2).mean()) > 0.2


@pytest.mark.parametrize("rate_hz", [8_000, 24_000])
def test_it_goes_together_with_another_rate(rate_hz: int) -> None:
    sound = stretched(tone(2.0), 1.6, rate_hz)
    assert len(sound) == pytest.approx(2.0 / 1.6 * rate_hz, abs=2)
    assert pitch_hz(sound, rate_hz) == pytest.approx(440, rel=0.003)


@pytest.mark.parametrize("samples", [0, 1, 511, 512, 513, 3000])
def test_short_sounds_have_their_exact_length_too(samples: int) -> None:
    for speed in (0.25, 0.8, 3.3):
        spec = SoundSpec(AudioFormat.PCM_S16LE, SAMPLE_RATE_HZ, speed=speed)
        assert len(encode(spec, tone(1.0)[:samples])) // 2 == round(samples / speed)


@pytest.mark.parametrize("speed", SPEEDS)
def test_no_filter_is_asked_for_more_than_it_does_well(speed: float) -> None:
    assert np.prod(tempos(speed)) == pytest.approx(speed)
    assert all(0.5 <= tempo <= 2 for tempo in tempos(speed))


def fundamental_hz(sound: Floats) -> float:
    """From the autocorrelation of a second in the middle."""
    middle = sound[len(sound) // 2 - 8000 : len(sound) // 2 + 8000]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 4 * len(middle))) ** 2
    correlation = np.fft.irfft(power)
    low, high = SAMPLE_RATE_HZ // 200, SAMPLE_RATE_HZ // 70
    return SAMPLE_RATE_HZ / (low + int(correlation[low:high].argmax()))


def syllables_a_second(sound: Floats) -> float:
    """The strongest frequency of the loudness between 0.5 and 25 Hz."""
    hop = SAMPLE_RATE_HZ // 100
    loudness = np.sqrt((sound[: len(sound) // hop * hop].reshape(-1, hop) ** 2).mean(1))
    spectrum = np.abs(np.fft.rfft((loudness - loudness.mean()) * np.hanning(len(loudness)), 8192))
    low, high = int(0.5 * 8192 / 100), int(25 * 8192 / 100)
    return float((low + spectrum[low:high].argmax()) * 100 / 8192)
