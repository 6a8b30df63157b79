"""Sound as it comes: chunks of a stream, and a whole utterance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """One chunk of a stream.

    Args:
        index: 0, 1, 2 ... without a gap.
        samples: 16-bit mono PCM ``[samples]``.
        sample_rate_hz: Samples per second.
        is_last: True on exactly one chunk, the final one.
        arrival_s: Time since the request was sent, in seconds.
    """

    index: int
    samples: npt.NDArray[np.int16]
    sample_rate_hz: int
    is_last: bool
    arrival_s: float

    @property
    def duration_s(self) -> float:
        """Length of the sound in seconds."""
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True, eq=False)
class Speech:
    """A whole utterance.

    Args:
        samples: 16-bit mono PCM ``[samples]``.
        sample_rate_hz: Samples per second.
    """

    samples: npt.NDArray[np.int16]
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length of the sound in seconds."""
        return len(self.samples) / self.sample_rate_hz

    def save(self, path: str | Path) -> None:
        """Write an audio file; its ending names the format.

        Args:
            path: File to write, for example ``speech.wav``.

        Raises:
            ValueError: the ending names no format that can be written; see :func:`can_save`.
            OSError: the file cannot be written.
        """
        if not can_save(path):
            raise ValueError(f"{path}: no audio format ends like this; try .wav")
        with open(path, "wb") as file:  # soundfile's own errors for a path do not tell why it cannot be written
            soundfile.write(file, self.samples, self.sample_rate_hz, format=_format(path))


def can_save(path: str | Path) -> bool:
    """Tell whether the ending of a path names an audio format that can be written."""
    return _format(path) in soundfile.available_formats()


def _format(path: str | Path) -> str:
    return Path(path).suffix.removeprefix(".").upper()
