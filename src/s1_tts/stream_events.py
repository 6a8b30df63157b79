"""What flows from the language model to the codec and on to the caller: chunks of one stream."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from s1_protocol.errors import S1Error
from s1_protocol.names import ServiceClass


class StreamIds:
    """Makes the ids by which the models know a stream; the one place that does."""

    def new(self) -> int:
        """An id that nobody can guess, and that no other stream has: 64 random bits without a sign."""
        return secrets.randbits(64)


KNOCK = -1
"""Index of a chunk without codes that only asks, on its way, whether the caller is still there."""


@dataclass(frozen=True, eq=False)
class CodesChunk:
    """Some frames of codes of one stream.

    Args:
        stream_id: Id the engine gave the stream.
        index: 0, 1, 2 ... without a gap; or ``KNOCK``.
        codes: ``[num_codebooks, frames]``; the last chunk may have no frames.
        is_last: True on exactly one chunk, the final one.
        service: Class of the caller.
        is_cut: True on the last chunk of a stream that did not say all of its text.
    """

    stream_id: int
    index: int
    codes: npt.NDArray[np.int32]
    is_last: bool
    service: ServiceClass = ServiceClass.NOTE
    is_cut: bool = False

    @property
    def is_knock(self) -> bool:
        """Whether it is no part of the stream."""
        return self.index == KNOCK


@dataclass(frozen=True, eq=False)
class DecodedChunk:
    """Sound of one codes chunk.

    Args:
        stream_id: Id the engine gave the stream.
        index: Index of the codes chunk.
        samples: 16-bit PCM ``[samples]`` at 44 100 Hz, 2048 samples a frame.
        is_last: True on exactly one chunk, the final one.
    """

    stream_id: int
    index: int
    samples: npt.NDArray[np.int16]
    is_last: bool


@dataclass(frozen=True, eq=False)
class StreamFailed:
    """The stream ends here without its last chunk.

    Args:
        stream_id: Id the engine gave the stream.
        error: Why, in words for the caller.
    """

    stream_id: int
    error: S1Error


CodesSink = Callable[[CodesChunk | StreamFailed], None]
"""Takes the events of one stream, in order; called from the engine's thread and must not wait."""

AudioSink = Callable[[DecodedChunk | StreamFailed], None]
"""Takes the sound of one codes chunk; called from the decoding thread and must not wait."""
