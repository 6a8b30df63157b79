"""Whose chunk is decoded next, how much of it, with whom and when: rules without threads, clock or torch."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.codec.chunk_streams import ChunkStream, Piece

DEFAULT_MAX_BATCH = 8

GPU_MAX_BATCH = 32
"""Streams a GPU decodes together at most: eight chunks of 4 frames leave most of a large one unused, and as many small
kernels have to be launched for them as for 32."""

CPU_BATCH_FRAMES = 16
"""Frames a CPU decodes together at most: a chunk that arrives meanwhile, such as the first of a call, waits for them.

Larger batches are a little faster, but more streams underrun with them (docs/serving.md).
"""

CPU_PIECE_FRAMES = 8
"""Frames of one chunk that a CPU decodes in one go. A multiple of 4, as all sizes of chunks are, keeps the shapes few:
oneDNN builds code for each new one."""

URGENT_FRAMES = 16
"""Frames of a first chunk that somebody waits for in silence. Who asks for more at once has time: as long as what is
over takes to play."""

NOTE_EVERY = 5
"""While calls fill all batches and a note waits, every so many batches a note has the first place, but for batches
with the first chunk of a call."""

NOTE_AT_LEAST_EVERY = 20
"""The same, where first chunks of calls follow each other without end: the note's batch then goes alone."""


@dataclass(frozen=True)
class BatchPolicy:
    """How batches are made.

    Args:
        max_batch: Streams decoded together at most.
        max_batch_frames: Frames decoded together at most, unless a single piece has more; 0: no limit.
        piece_frames: Frames of a chunk decoded in one go at most, so that no other stream waits for all of a large
            one: then the stream that would underrun first has priority, as after a chunk. 0: chunks are decoded whole.
        wait_s: Longest time a chunk waits for chunks of other streams.
    """

    max_batch: int = DEFAULT_MAX_BATCH
    max_batch_frames: int = 0
    piece_frames: int = 0
    wait_s: float = 0.002

    @classmethod
    def of_device(cls, device: str, max_slots: int, wait_s: float) -> Self:
        """What suits a kind of device.

        Args:
            device: ``cpu`` or ``cuda``.
            max_slots: Slots of the language model: there are hardly more streams, and graphs take memory by rows.
            wait_s: Longest time a chunk waits for chunks of other streams.
        """
        if device == "cpu":
            return cls(DEFAULT_MAX_BATCH, CPU_BATCH_FRAMES, CPU_PIECE_FRAMES, wait_s)
        return cls(min(GPU_MAX_BATCH, max(DEFAULT_MAX_BATCH, max_slots)), wait_s=wait_s)

    def next_batch(self, ready: Sequence[ChunkStream], num_passed: int = 0) -> list[Piece]:
        """Choose one chunk a stream, or a piece of it, in the order of the streams' ranks.

        A batch with the first chunk of a call holds nothing else: each row adds to a batch's time on a CPU, and on
        a GPU the others wait only a few milliseconds.

        Args:
            ready: Streams whose next chunk could be decoded now.
            num_passed: Batches since a note waits without a place in one.
        """
        batch: list[Piece] = []
        num_frames = 0
        for stream in self._order(ready, num_passed):
            waiting = stream.waiting[0]
            count = min(waiting.left_frames, self.piece_frames or waiting.left_frames)
            num_frames += count
            if batch and 0 < self.max_batch_frames < num_frames:
                break
            batch.append(Piece(stream, waiting, waiting.decoded_frames, waiting.decoded_frames + count))
        return batch

    def _order(self, ready: Sequence[ChunkStream], num_passed: int) -> list[ChunkStream]:
        """Streams whose chunks make a batch, as far as they fit."""
        urgent = [stream for stream in ready if _is_urgent(stream)]
        ranked = heapq.nsmallest(self.max_batch, urgent or ready, key=_rank)
        if num_passed + 1 < (NOTE_AT_LEAST_EVERY if urgent else NOTE_EVERY):
            return ranked
        notes = heapq.nsmallest(1, filter(is_note, ready), key=_rank)
        if urgent:
            return notes or ranked
        return [*notes, *(stream for stream in ranked if stream not in notes)][: self.max_batch]

    def seconds_to_batch(self, ready: Sequence[ChunkStream], num_streams: int, now_s: float) -> float | None:
        """How long to wait before :meth:`next_batch`.

        Args:
            ready: Streams whose next chunk could be decoded now.
            num_streams: Streams that live.
            now_s: Time on the clock of the chunks' arrival.

        Returns:
            0 when the batch is full, when no other stream could join it, or when a chunk has waited long enough;
            none when no chunk waits.
        """
        if not ready:
            return None
        if len(ready) >= min(self.max_batch, num_streams):
            return 0.0
        oldest_s = min(stream.waiting[0].arrived_s for stream in ready)
        return max(0.0, oldest_s + self.wait_s - now_s)


def _rank(stream: ChunkStream) -> tuple[int, float, int]:
    """Order of a stream's next chunk among those of all streams; the least goes first.

    First chunks of calls, then calls, then notes; within these the stream that would underrun first. A listener has
    nothing to play before the first chunk, so that stream underruns from its arrival on; of a large first chunk later,
    so that nobody is held up by one. A chunk that is decoded in part ranks as before: its listener
    hears nothing of it until all of it is decoded.
    """
    head = stream.waiting[0]
    num_over = max(0, head.chunk.codes.shape[-1] - URGENT_FRAMES)
    dry_s = stream.played_s
    if dry_s is None:
        dry_s = head.arrived_s + num_over / FRAMES_PER_SECOND
    if stream.service is ServiceClass.CALL:
        return int(head.chunk.index > 0 or num_over > 0), dry_s, head.arrival
    return 2, dry_s, head.arrival


def is_note(stream: ChunkStream) -> bool:
    """Whether it is no call."""
    return stream.service is not ServiceClass.CALL


def _is_urgent(stream: ChunkStream) -> bool:
    """Whether its next chunk is the first of a call and small, which somebody waits for in silence."""
    return _rank(stream)[0] == 0
