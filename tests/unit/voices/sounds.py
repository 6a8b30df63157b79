"""Sound made for the tests, and the files it comes in."""

import io

import numpy as np
import numpy.typing as npt
import soundfile


def chirp(
    length_s: float = 1.5, hz: float = 220.0, rate_hz: int = 44_100, level: float = 0.4
) -> npt.NDArray[np.float32]:
    """A tone that rises by half and swells, so that no two moments are alike."""
    t = np.arange(int(length_s * rate_hz)) / rate_hz
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)
    return (level * swell * np.sin(2 * np.pi * hz * t * (1 + 0.25 * t / length_s))).astype(np.float32)


def file_of(samples: npt.NDArray[np.float32], rate_hz: int = 44_100, kind: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=kind)
    return buffer.getvalue()


def recording(hz: float = 220.0, length_s: float = 1.5) -> bytes:
    """A small WAV file; each pitch is another voice."""
    return file_of(chirp(length_s, hz, 16_000), 16_000)
