"""Whose chunk is decoded next."""

import numpy as np

from s1_tts.codec.chunk_queue import ChunkQueue
from s1_tts.protocol import FRAMES_PER_SECOND, ServiceClass
from s1_tts.stream import CodesChunk

FRAME_S = 1 / FRAMES_PER_SECOND


def chunk(stream_id: int, index: int, frames: int, service: ServiceClass = ServiceClass.NOTE) -> CodesChunk:
    return CodesChunk(stream_id, index, np.zeros((2, frames), np.int32), False, service)


def add(queue: ChunkQueue, added: CodesChunk, now_s: float) -> None:
    assert queue.add(added, lambda _: None, now_s) == []


def play(queue: ChunkQueue, decoded: CodesChunk, now_s: float) -> None:
    """Let a chunk come and be decoded at once."""
    add(queue, decoded, now_s)
    [(stream, waiting)] = queue.take()
    queue.give_back(stream, waiting.chunk, now_s)


def order(queue: ChunkQueue) -> list[int]:
    """Ids of the streams in the order in which their next chunks are taken."""
    taken = []
    while batch := queue.take():
        taken += [stream.stream_id for stream, _ in batch]
    return taken


def make(max_batch: int = 1) -> ChunkQueue:
    return ChunkQueue(max_batch=max_batch, max_batch_frames=0, wait_s=0, max_streams=9, idle_s=60)


def test_who_runs_dry_first_goes_first_whoever_came_first() -> None:
    queue = make()
    play(queue, chunk(1, 0, 64), now_s=10)
    play(queue, chunk(2, 0, 4), now_s=10)
    add(queue, chunk(1, 1, 64), now_s=10.01)
    add(queue, chunk(2, 1, 4), now_s=10.02)
    assert order(queue) == [2, 1]


def test_a_listener_s_buffer_grows_by_what_is_decoded_and_empties_with_time() -> None:
    queue = make()
    for index in range(3):
        play(queue, chunk(1, index, 4), now_s=10)  # plays until 10 + 12 frames
    play(queue, chunk(2, 0, 8), now_s=10 + 3 * FRAME_S)  # until 10 + 11 frames
    play(queue, chunk(3, 0, 4), now_s=10)
    play(queue, chunk(3, 1, 4), now_s=10 + 6 * FRAME_S)  # was dry since 4; until 10 + 10 frames
    for stream_id, index in ((1, 3), (2, 1), (3, 2)):
        add(queue, chunk(stream_id, index, 4), now_s=10 + 7 * FRAME_S)
    assert order(queue) == [3, 2, 1]


def test_a_first_chunk_goes_before_those_who_still_have_sound_and_after_those_who_wait_longer() -> None:
    queue = make()
    play(queue, chunk(1, 0, 4), now_s=10)  # dry at 10.19
    play(queue, chunk(2, 0, 64), now_s=10)
    add(queue, chunk(2, 1, 4), now_s=10.5)
    add(queue, chunk(3, 0, 4), now_s=10.5)
    add(queue, chunk(1, 1, 4), now_s=10.6)
    assert order(queue) == [1, 3, 2]


def test_calls_go_before_notes_and_their_first_chunks_before_all() -> None:
    call = ServiceClass.CALL
    queue = make()
    play(queue, chunk(1, 0, 4), now_s=10)
    play(queue, chunk(2, 0, 64, call), now_s=10)
    add(queue, chunk(1, 1, 4), now_s=20)
    add(queue, chunk(2, 1, 4, call), now_s=20)
    add(queue, chunk(3, 0, 4, call), now_s=20)
    assert order(queue) == [3, 2, 1]
