"""What waits for the decoder: chunks, the streams that they belong to, and the pieces that are decoded of them."""

import logging
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from s1_protocol.errors import S1Error
from s1_protocol.names import ServiceClass
from s1_tts.codec.state import StreamState
from s1_tts.stream_events import AudioSink, CodesChunk, DecodedChunk, StreamFailed

log = logging.getLogger(__name__)


@dataclass(eq=False)
class WaitingChunk:
    """A chunk and who hears of it.

    Args:
        chunk: The codes.
        sink: Gets the sound, or why there is none.
        arrival: Number of the chunk among all that came.
        arrived_s: When it came, in seconds of a monotonic clock.
        decoded_frames: Frames of it that are decoded, from its first on.
        sound: 16-bit samples of these frames, an array a piece.
        is_answered: Its sink has heard of it.
    """

    chunk: CodesChunk
    sink: AudioSink
    arrival: int
    arrived_s: float
    decoded_frames: int = 0
    sound: list[npt.NDArray[np.int16]] = field(default_factory=list)
    is_answered: bool = False

    @property
    def left_frames(self) -> int:
        """Frames of it that are not decoded yet."""
        return int(self.chunk.codes.shape[-1]) - self.decoded_frames

    def answer(self) -> None:
        """Hand the whole chunk's sound to its sink."""
        chunk = self.chunk
        self._tell(DecodedChunk(chunk.stream_id, chunk.index, np.concatenate(self.sound), chunk.is_last))

    def refuse(self, error: S1Error) -> None:
        """Tell its sink why there is no sound."""
        self._tell(StreamFailed(self.chunk.stream_id, error))

    def _tell(self, event: DecodedChunk | StreamFailed) -> None:
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self.sink(event)
        except Exception:
            log.exception("the sink of stream %d failed; decoding goes on", event.stream_id)


@dataclass(eq=False)
class ChunkStream:
    """A stream between its first and its last chunk.

    Args:
        stream_id: Id the engine gave it.
        service: Class of the caller.
        last_used_s: When a chunk of it came or was decoded last.
        next_index: Index that the next chunk must have.
        is_ended: The last chunk has come.
        is_decoding: One of its chunks is with the decoder.
        played_s: When a listener who plays at 1x from the first chunk on has nothing more to play; none before that.
        state: The decoder's; none before the first piece is decoded.
        waiting: Its chunks, in order; the first of them may be decoded in part.
        ending: Why it was forgotten, in words for the caller and for the log; none while it lives.
    """

    stream_id: int
    service: ServiceClass
    last_used_s: float
    next_index: int = 0
    is_ended: bool = False
    is_decoding: bool = False
    played_s: float | None = None
    state: StreamState | None = None
    waiting: deque[WaitingChunk] = field(default_factory=deque)
    ending: tuple[S1Error, str] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its next chunk could be decoded now."""
        return bool(self.waiting) and not self.is_decoding

    @property
    def is_resting(self) -> bool:
        """Whether it has nothing to decode."""
        return not self.waiting and not self.is_decoding


@dataclass(frozen=True, eq=False)
class Refusal:
    """A chunk that is not decoded.

    Args:
        waiting: The chunk and its sink.
        error: Why, in words for the caller.
        detail: Why, in words for the log.
    """

    waiting: WaitingChunk
    error: S1Error
    detail: str = ""


@dataclass(frozen=True, eq=False)
class Piece:
    """What a batch decodes of one stream: a chunk, or some of its frames.

    Args:
        stream: The stream.
        waiting: The chunk.
        begin: Its first frame, of those of the chunk.
        end: The frame after its last.
    """

    stream: ChunkStream
    waiting: WaitingChunk
    begin: int
    end: int

    @property
    def num_frames(self) -> int:
        """Frames of it."""
        return self.end - self.begin

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """Its codes, ``[num_codebooks, num_frames]``."""
        return self.waiting.chunk.codes[..., self.begin : self.end]

    @property
    def is_final(self) -> bool:
        """Whether the chunk is decoded with it."""
        return self.end == self.waiting.chunk.codes.shape[-1]
