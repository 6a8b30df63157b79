"""The life of streams at the codec: they begin, wait, are decoded and end. Without threads or torch."""

from collections.abc import Iterator

from s1_protocol.errors import CancelledError, InternalError, S1Error, UnavailableError, new_error_id
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.codec.batch_policy import BatchPolicy, is_note
from s1_tts.codec.chunk_streams import ChunkStream, Piece, Refusal, WaitingChunk
from s1_tts.stream_events import AudioSink, CodesChunk


class ChunkQueue:
    """Waiting chunks by stream. Not thread-safe: the batcher holds a lock around each call.

    Args:
        policy: How batches are made.
        max_streams: Streams that live at once; the first chunk of one more is refused.
        idle_s: A stream without chunks for this long is dropped.
    """

    def __init__(self, policy: BatchPolicy, *, max_streams: int, idle_s: float) -> None:
        self._policy = policy
        self._max_streams = max_streams
        self._idle_s = idle_s
        self.num_refused_streams = 0
        self.num_idle_streams = 0
        self._streams: dict[int, ChunkStream] = {}
        self._num_arrived = 0
        self._num_passed = 0  # batches since a note waits without a place in one

    @property
    def streams(self) -> Iterator[ChunkStream]:
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
            if len(self._streams) >= self._max_streams:
                self.num_refused_streams += 1
                limit = f"the codec already has {self._max_streams} streams, its limit; try again later"
                return [Refusal(waiting, UnavailableError(limit))]
            stream = self._streams[chunk.stream_id] = ChunkStream(chunk.stream_id, chunk.service, now_s)
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

    def take(self) -> list[Piece]:
        """Take the next batch out."""
        ready = self._ready()
        batch = self._policy.next_batch(ready, self._num_passed)
        is_passed = any(map(is_note, ready)) and not any(is_note(piece.stream) for piece in batch)
        self._num_passed = self._num_passed + 1 if is_passed else 0
        for piece in batch:
            piece.stream.is_decoding = True
            piece.stream.waiting.popleft()
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

    def abort(self, stream_id: int) -> list[Refusal]:
        """Forget a stream whose caller left.

        Returns:
            Its chunks that wait.
        """
        stream = self._streams.get(stream_id)
        return [] if stream is None else self.end(stream, CancelledError("the caller went away"))

    def end(self, stream: ChunkStream, error: S1Error, detail: str = "") -> list[Refusal]:
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

    def end_idle(self, now_s: float) -> None:
        """Forget the streams that have had no chunk for too long."""
        for stream in [s for s in self._streams.values() if s.is_resting]:
            if now_s - stream.last_used_s >= self._idle_s:
                self.num_idle_streams += 1
                self.end(stream, UnavailableError("idle for too long"))

    def seconds_to_batch(self, now_s: float) -> float | None:
        """How long to wait before :meth:`take`; none when no chunk waits."""
        return self._policy.seconds_to_batch(self._ready(), len(self._streams), now_s)

    def seconds_to_idle(self, now_s: float) -> float | None:
        """How long until :meth:`end_idle` may find something; none when no stream rests."""
        resting = [stream.last_used_s for stream in self._streams.values() if stream.is_resting]
        return max(0.0, min(resting) + self._idle_s - now_s) if resting else None

    def _ready(self) -> list[ChunkStream]:
        return [stream for stream in self._streams.values() if stream.is_ready]
