"""Sound as it comes: chunks of a stream, and a whole utterance."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_protocol.whole_file import write_whole

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
        """Write an audio file, whole or not at all; its ending names the format.

        Args:
            path: File to write, for example ``speech.wav``.

        Raises:
            ValueError: the ending names no format that can be written; see :func:`can_save`.
            OSError: the file cannot be written.
        """
        if not can_save(path):
            raise ValueError(f"{path}: no audio format ends like this; try .wav")
        write_whole(Path(path), self._encode(_format(path)))  # libsndfile does not say why a file cannot be written

    def to_wav(self) -> bytes:
        """Make a whole WAV file."""
        return self._encode("WAV")

    def _encode(self, audio_format: str) -> bytes:
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", self.sample_rate_hz, channels=1, format=audio_format) as sound:
            # in pieces: a guard, as one of libsndfile's encoders has crashed
            for start in range(0, len(self.samples), self.sample_rate_hz):
                sound.write(self.samples[start : start + self.sample_rate_hz])
        return file.getvalue()


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
