"""Which chunks wait for the decoder and which go next: the micro-batcher's rules, without threads or torch."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from s1_protocol.errors import CancelledError, InternalError, S1Error, UnavailableError, new_error_id
from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.codec.state import StreamState
from s1_tts.stream import AudioSink, CodesChunk


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
    """

    chunk: CodesChunk
    sink: AudioSink
    arrival: int
    arrived_s: float
    decoded_frames: int = 0
    sound: list[npt.NDArray[np.int16]] = field(default_factory=list)

    @property
    def left_frames(self) -> int:
        """Frames of it that are not decoded yet."""
        return int(self.chunk.codes.shape[-1]) - self.decoded_frames


@dataclass(eq=False)
class Stream:
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
    def rank(self) -> tuple[int, float, int]:
        """Order of the stream's next chunk among those of all streams; the least goes first.

        First chunks of calls, then calls, then notes; within these whoever's listener runs dry first. Nobody has
        anything to play before a stream's first chunk, so its listener is dry since it came. A chunk that is decoded
        in part ranks as before: its listener hears nothing of it until all of it is decoded.
        """
        head = self.waiting[0]
        dry_s = head.arrived_s if self.played_s is None else self.played_s
        if self.service is ServiceClass.CALL:
            return min(head.chunk.index, 1), dry_s, head.arrival
        return 2, dry_s, head.arrival

    @property
    def is_urgent(self) -> bool:
        """Whether its next chunk is the first of a call, which somebody waits for in silence."""
        return self.rank[0] == 0


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

    stream: Stream
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


class ChunkQueue:
    """Waiting chunks by stream. Not thread-safe: the batcher holds a lock around each call.

    Args:
        max_batch: Streams decoded together at most.
        max_batch_frames: Frames decoded together at most, unless a single piece has more; 0: no limit.
        piece_frames: Frames of a chunk decoded in one go at most; whoever's listener runs dry first goes next after
            them, as after a chunk. 0: chunks are decoded whole.
        wait_s: Longest time a chunk waits for chunks of other streams.
        max_streams: Streams that live at once.
        idle_s: A stream without chunks for this long is dropped.
    """

    def __init__(
        self,
        *,
        max_batch: int,
        max_batch_frames: int,
        piece_frames: int,
        wait_s: float,
        max_streams: int,
        idle_s: float,
    ) -> None:
        self.max_batch = max_batch
        self.max_batch_frames = max_batch_frames
        self.piece_frames = piece_frames
        self.wait_s = wait_s
        self.max_streams = max_streams
        self.idle_s = idle_s
        self.num_refused_streams = 0
        self.num_idle_streams = 0
        self._streams: dict[int, Stream] = {}
        self._num_arrived = 0

    @property
    def streams(self) -> Iterator[Stream]:
        """Streams that live."""
        return iter(self._streams.values())

    @property
    def num_streams(self) -> int:
        """How many streams live."""
        return len(self._streams)

    @property
    def num_waiting(self) -> int:
        """How many chunks wait."""
        return sum(len(stream.waiting) for stream in self._streams.values())

    def add(self, chunk: CodesChunk, sink: AudioSink, now_s: float) -> list[Refusal]:
        """Take a chunk in.

        Returns:
            What is refused because of it: the chunk itself and, when it broke its stream's order, every chunk of
            the stream that waits; the stream has then ended.
        """
        self._num_arrived += 1
        waiting = WaitingChunk(chunk, sink, self._num_arrived, now_s)
        stream = self._streams.get(chunk.stream_id)
        if stream is None and chunk.index == 0:
            if len(self._streams) >= self.max_streams:
                self.num_refused_streams += 1
                full = UnavailableError(f"the codec already has {self.max_streams} streams, its limit; try again later")
                return [Refusal(waiting, full)]
            stream = Stream(chunk.stream_id, chunk.service, now_s)
            self._streams[chunk.stream_id] = stream
        if stream is None:
            detail = f"the stream is unknown and begins with chunk {chunk.index}; allowed: 0"
            return [Refusal(waiting, InternalError(new_error_id()), detail)]
        stream.waiting.append(waiting)
        if stream.is_ended or chunk.index != stream.next_index:
            allowed = "none, the last one has come" if stream.is_ended else stream.next_index
            detail = f"the stream came to chunk {chunk.index}; allowed: {allowed}"
            return self.end(stream, InternalError(new_error_id()), detail)
        stream.next_index += 1
        stream.is_ended = chunk.is_last
        stream.last_used_s = now_s
        return []

    def drop(self, stream_id: int) -> list[Refusal]:
        """Forget a stream whose caller left.

        Returns:
            Its chunks that wait.
        """
        stream = self._streams.get(stream_id)
        return [] if stream is None else self.end(stream, CancelledError("the caller went away"))

    def end(self, stream: Stream, error: S1Error, detail: str = "") -> list[Refusal]:
        """Forget a stream and its state.

        Returns:
            Its chunks that wait, refused with the error.
        """
        if self._streams.get(stream.stream_id) is stream:
            del self._streams[stream.stream_id]
        refused = [Refusal(waiting, error, detail) for waiting in stream.waiting]
        stream.ending = error, detail
        stream.waiting.clear()
        stream.state = None
        return refused

    def end_all(self, error: S1Error) -> list[Refusal]:
        """Forget every stream; gives all chunks that wait."""
        return [refusal for stream in list(self._streams.values()) for refusal in self.end(stream, error)]

    def drop_idle(self, now_s: float) -> None:
        """Forget the streams that have had no chunk for too long."""
        for stream in [s for s in self._streams.values() if self._is_resting(s)]:
            if now_s - stream.last_used_s >= self.idle_s:
                self.num_idle_streams += 1
                self.end(stream, UnavailableError("idle for too long"))

    def take(self) -> list[Piece]:
        """Take the next batch out: one chunk a stream, or a piece of it, in the order of their ranks.

        A batch with the first chunk of a call holds nothing else: each row adds to a batch's time on a CPU, and on
        a GPU the others wait only a few milliseconds.
        """
        ready = self._ready()
        urgent = [stream for stream in ready if stream.is_urgent]
        batch: list[Piece] = []
        num_frames = 0
        for stream in heapq.nsmallest(self.max_batch, urgent or ready, key=lambda stream: stream.rank):
            waiting = stream.waiting[0]
            count = min(waiting.left_frames, self.piece_frames or waiting.left_frames)
            num_frames += count
            if batch and 0 < self.max_batch_frames < num_frames:
                break
            stream.is_decoding = True
            stream.waiting.popleft()
            batch.append(Piece(stream, waiting, waiting.decoded_frames, waiting.decoded_frames + count))
        return batch

    def give_back(self, piece: Piece, now_s: float) -> list[Refusal]:
        """Note that a piece is decoded; after a stream's last one the stream is forgotten.

        Returns:
            The chunk, refused, when it is not decoded to its end and its stream was forgotten meanwhile.
        """
        stream, waiting = piece.stream, piece.waiting
        stream.is_decoding = False
        stream.last_used_s = now_s
        waiting.decoded_frames = piece.end
        if stream.ending is not None:
            stream.state = None
            return [] if piece.is_final else [Refusal(waiting, *stream.ending)]
        if not piece.is_final:
            stream.waiting.appendleft(waiting)
            return []
        starts_s = now_s if stream.played_s is None else max(stream.played_s, now_s)
        stream.played_s = starts_s + waiting.chunk.codes.shape[-1] / FRAMES_PER_SECOND
        if stream.is_ended and not stream.waiting:
            self.end(stream, CancelledError("ended"))
        return []

    def seconds_to_batch(self, now_s: float) -> float | None:
        """How long to wait before :meth:`take`.

        Returns:
            0 when the batch is full, when no other stream could join it, or when a chunk has waited long enough;
            none when no chunk waits.
        """
        ready = self._ready()
        if not ready:
            return None
        if len(ready) >= min(self.max_batch, len(self._streams)):
            return 0.0
        oldest_s = min(stream.waiting[0].arrived_s for stream in ready)
        return max(0.0, oldest_s + self.wait_s - now_s)

    def seconds_to_idle(self, now_s: float) -> float | None:
        """How long until :meth:`drop_idle` may find something; none when no stream rests."""
        resting = [stream.last_used_s for stream in self._streams.values() if self._is_resting(stream)]
        return max(0.0, min(resting) + self.idle_s - now_s) if resting else None

    def _ready(self) -> list[Stream]:
        return [stream for stream in self._streams.values() if stream.waiting and not stream.is_decoding]

    @staticmethod
    def _is_resting(stream: Stream) -> bool:
        return not stream.waiting and not stream.is_decoding
