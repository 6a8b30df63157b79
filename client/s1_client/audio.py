"""Sound as it comes: chunks of a stream, and a whole utterance."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from s1_protocol.sound import SAMPLE_RATE_HZ

_SILENCE_S = 0.2


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """One chunk of a stream.

    Args:
        index: 0, 1, 2 ... without a gap.
        samples: 16-bit mono PCM ``[samples]``.
        sample_rate_hz: Samples per second.
        is_last: True on exactly one chunk, the final one.
        arrival_s: Time since the request was sent, in seconds.
        is_cut: True on the last chunk of a text that was not said whole, since it reached its limit of frames; of live
            text, from there on.
    """

    index: int
    samples: npt.NDArray[np.int16]
    sample_rate_hz: int
    is_last: bool
    arrival_s: float
    is_cut: bool = False

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
        is_cut: Whether the text was not said whole: it reached its limit of frames.
    """

    samples: npt.NDArray[np.int16]
    sample_rate_hz: int
    is_cut: bool = False

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
        with open(path, "wb") as file:  # soundfile's own errors for a path do not say why it cannot be written
            self._write(file, _format(path))

    def to_wav(self) -> bytes:
        """Make a whole WAV file."""
        file = io.BytesIO()
        self._write(file, "WAV")
        return file.getvalue()

    def _write(self, file: BinaryIO, audio_format: str) -> None:
        with soundfile.SoundFile(file, "w", self.sample_rate_hz, channels=1, format=audio_format) as sound:
            # in pieces, since one of libsndfile's encoders has crashed on long sound
            for start in range(0, len(self.samples), self.sample_rate_hz):
                sound.write(self.samples[start : start + self.sample_rate_hz])


def silence() -> Speech:
    """What a text sounds like in which there is nothing to say, such as a lone emoji."""
    return Speech(np.zeros(round(_SILENCE_S * SAMPLE_RATE_HZ), dtype=np.int16), SAMPLE_RATE_HZ)


def join(chunks: Sequence[AudioChunk]) -> Speech:
    """Make one utterance of the chunks of a stream, of which there is at least one."""
    samples = np.concatenate([chunk.samples for chunk in chunks])
    return Speech(samples, chunks[0].sample_rate_hz, is_cut=any(chunk.is_cut for chunk in chunks))


def can_save(path: str | Path) -> bool:
    """Whether the ending of a path names an audio format that can be written."""
    return _format(path) in soundfile.available_formats()


def _format(path: str | Path) -> str:
    return Path(path).suffix.removeprefix(".").upper()
