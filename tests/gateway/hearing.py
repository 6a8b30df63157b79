"""Judging sound as a listener would: how long it is and how high."""

import io
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt

from tests.gateway.stand_in import TONE_HZ, seconds_of


@dataclass(frozen=True)
class Heard:
    """What was heard.

    Args:
        duration_s: Length.
        pitch_hz: Of the strongest tone.
        rate_hz: Samples per second of the file.
        samples: ``[n]``, from -1 to 1.
    """

    duration_s: float
    pitch_hz: float
    rate_hz: int
    samples: npt.NDArray[np.float64]


def hear(samples: npt.NDArray[np.generic], rate_hz: int) -> Heard:
    """Listen to samples; integers are scaled."""
    scale = 32768 if samples.dtype.kind == "i" else 1
    sound = samples.astype(np.float64).reshape(-1) / scale
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    pitch_hz = float(np.argmax(spectrum)) * rate_hz / len(sound) if len(sound) else 0.0
    return Heard(len(sound) / rate_hz, pitch_hz, rate_hz, sound)


def hear_pcm(data: bytes, rate_hz: int) -> Heard:
    """Listen to 16-bit little-endian mono at a rate that nobody but the caller knows."""
    assert len(data) % 2 == 0, "half a sample"
    return hear(np.frombuffer(data, "<i2"), rate_hz)


def hear_file(data: bytes) -> Heard:
    """Decode a whole file as ffmpeg does, and listen."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        rate_hz = stream.rate
    joined = np.concatenate([frame.reshape(-1) for frame in frames])
    assert stream.channels == 1
    return hear(joined, rate_hz)


def assert_said(heard: Heard, text: str, *, speed: float = 1.0, within_s: float = 0.06) -> None:
    """Hold sound against what the stand-in says for a text: right length and pitch, and no hole in it."""
    assert abs(heard.duration_s - seconds_of(text) / speed) <= within_s, heard.duration_s
    assert abs(heard.pitch_hz - TONE_HZ) <= max(2.0, 1.5 / heard.duration_s), heard.pitch_hz
    loud = np.abs(heard.samples[: len(heard.samples) // 441 * 441]).reshape(-1, 441).max(axis=1)
    edge = max(1, round(within_s * heard.rate_hz / 441)) + 1
    assert (loud[edge:-edge] > 0.1).all(), "there is a hole in it"
