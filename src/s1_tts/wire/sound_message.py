"""Chunks of sound, and whole answers, as tensors."""

import base64
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from s1_protocol.errors import S1Error
from s1_protocol.names import Field
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.wire.arrays import NamedArray, Tensors, scalar
from s1_tts.wire.coded_errors import decode_error, encode_error

SILENCE: npt.NDArray[np.int16] = np.empty(0, dtype=np.int16)


@dataclass(frozen=True, eq=False)
class SoundMessage:
    """The answer to a chunk of codes.

    Args:
        samples: 16-bit PCM ``[samples]``; none when the stream is ended elsewhere, or here with an error.
        index: Index of the chunk.
        is_last: True on exactly one chunk, the final one.
        is_cut: True on the last chunk of a stream that did not say all of its text.
        error: Why the stream ended, for the collector: an error that comes after the first response is lost between
            models. Other callers get an error itself.
    """

    samples: npt.NDArray[np.int16]
    index: int
    is_last: bool
    is_cut: bool = False
    error: S1Error | None = None

    def write(self, *, is_base64_wanted: bool) -> list[NamedArray]:
        """Make tensors of it.

        Args:
            is_base64_wanted: Whether the samples are wanted as base64 text as well.
        """
        return [
            *_sound(self.samples, base64.b64encode(self.samples.tobytes()) if is_base64_wanted else b"", self.is_cut),
            scalar(Field.CHUNK_INDEX, self.index, "int32"),
            scalar(Field.IS_LAST, self.is_last, "bool"),
            # an ensemble sends nothing at all while one of its outputs is missing
            scalar(Field.STREAM_ERROR, encode_error(self.error).encode() if self.error else b"", "object"),
        ]

    @classmethod
    def read(cls, tensors: Tensors) -> Self:
        """Read the tensors of our own codec."""
        told = tensors[Field.STREAM_ERROR].item().decode()
        return cls(
            samples=tensors[Field.AUDIO].reshape(-1),
            index=int(tensors[Field.CHUNK_INDEX].item()),
            is_last=bool(tensors[Field.IS_LAST].item()),
            is_cut=bool(tensors[Field.IS_CUT].item()),
            error=decode_error(told) if told else None,
        )


def write_answer(samples: npt.NDArray[np.int16], wav: bytes, *, is_cut: bool) -> list[NamedArray]:
    """Make tensors of a whole answer.

    Args:
        samples: 16-bit PCM ``[samples]``.
        wav: The same as a WAV file, for a caller who wants it as base64 text; else empty.
        is_cut: Whether not all of the text was said.
    """
    return _sound(samples, base64.b64encode(wav), is_cut)


def _sound(samples: npt.NDArray[np.int16], encoded: bytes, is_cut: bool) -> list[NamedArray]:
    return [
        NamedArray(Field.AUDIO, samples[None]),
        scalar(Field.SAMPLE_RATE, SAMPLE_RATE_HZ, "int32"),
        scalar(Field.AUDIO_BASE64, encoded, "object"),
        scalar(Field.IS_CUT, is_cut, "bool"),
    ]
