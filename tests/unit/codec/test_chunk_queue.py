"""Whose chunk is decoded next, and how much of it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from s1_protocol.errors import CancelledError, UnavailableError
from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.codec.batch_policy import NOTE_AT_LEAST_EVERY, NOTE_EVERY, BatchPolicy
from s1_tts.codec.chunk_queue import ChunkQueue
from s1_tts.stream_events import CodesChunk

FRAME_S = 1 / FRAMES_PER_SECOND


def chunk(stream_id: int, index: int, frames: int, service: ServiceClass = ServiceClass.NOTE) -> CodesChunk:
    return CodesChunk(stream_id, index, np.zeros((2, frames), np.int32), False, service)


def add(queue: ChunkQueue, added: CodesChunk, now_s: float) -> None:
    assert queue.add(added, lambda _: None, now_s) == []


def play(queue: ChunkQueue, decoded: CodesChunk, now_s: float) -> None:
    """Let a chunk come and be decoded at once."""
    add(queue, decoded, now_s)
    [piece] = queue.take()
    assert queue.give_back(piece, now_s) == []


def order(queue: ChunkQueue) -> list[int]:
    """Ids of the streams in the order in which their next chunks are taken."""
    taken = []
    while batch := queue.take():
        taken += [piece.stream.stream_id for piece in batch]
    return taken


def make(max_batch: int = 1, piece_frames: int = 0, max_batch_frames: int = 0) -> ChunkQueue:
    policy = BatchPolicy(max_batch, max_batch_frames, piece_frames, wait_s=0)
    return ChunkQueue(policy, max_streams=9, idle_s=60)


def take(queue: ChunkQueue, now_s: float) -> list[tuple[int, int, int, bool]]:
    """Decode a batch at once; gives stream, first frame, frames and whether the chunk is decoded, of each piece."""
    batch = queue.take()
    for piece in batch:
        assert queue.give_back(piece, now_s) == []
    return [(piece.stream.stream_id, piece.begin, piece.num_frames, piece.is_final) for piece in batch]


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


def test_a_large_chunk_is_decoded_in_pieces_one_after_the_other() -> None:
    queue = make(piece_frames=8)
    large = chunk(1, 0, 21)
    large.codes[:] = np.arange(21)
    add(queue, large, now_s=10)
    seen = []
    while batch := queue.take():
        seen.append(batch[0].codes)
        assert queue.take() == []  # the rest waits for the state that this piece leaves
        queue.give_back(batch[0], 10)
    assert [codes.shape for codes in seen] == [(2, 8), (2, 8), (2, 5)]
    assert np.array_equal(np.concatenate(seen, axis=1), large.codes)


def test_who_runs_dry_first_does_not_wait_for_all_of_a_large_chunk() -> None:
    queue = make(piece_frames=8)
    play(queue, chunk(1, 0, 8), now_s=10)  # dry at 10.37
    play(queue, chunk(2, 0, 4), now_s=10)  # dry at 10.19
    add(queue, chunk(1, 1, 24), now_s=10)
    assert take(queue, 10.01) == [(1, 0, 8, False)]
    add(queue, chunk(2, 1, 4), now_s=10.02)
    assert take(queue, 10.03) == [(2, 0, 4, True)]
    assert take(queue, 10.04) == [(1, 8, 8, False)]
    assert take(queue, 10.05) == [(1, 16, 8, True)]


def test_a_chunk_decoded_in_part_gives_its_listener_nothing_yet() -> None:
    queue = make(piece_frames=8)
    play(queue, chunk(1, 0, 4), now_s=10)  # dry at 10.19
    play(queue, chunk(2, 0, 8), now_s=10)  # dry at 10.37
    add(queue, chunk(1, 1, 16), now_s=10)
    assert take(queue, 10.01) == [(1, 0, 8, False)]
    add(queue, chunk(2, 1, 4), now_s=10.02)
    assert take(queue, 10.03) == [(1, 8, 8, True)]  # now dry at 10.93
    add(queue, chunk(1, 2, 4), now_s=10.04)
    assert order(queue) == [2, 1]


def test_a_call_that_begins_does_not_wait_for_all_of_a_large_chunk() -> None:
    queue = make(max_batch=4, piece_frames=8)
    add(queue, chunk(1, 0, 24), now_s=10)
    add(queue, chunk(2, 0, 24), now_s=10)
    assert take(queue, 10.1) == [(1, 0, 8, False), (2, 0, 8, False)]
    add(queue, chunk(3, 0, 4, ServiceClass.CALL), now_s=10.2)
    assert take(queue, 10.2) == [(3, 0, 4, True)]


def test_a_batch_has_no_more_frames_than_allowed_and_only_whole_pieces() -> None:
    queue = make(max_batch=8, piece_frames=8, max_batch_frames=20)
    for stream_id, frames in ((1, 4), (2, 16), (3, 12), (4, 4)):
        add(queue, chunk(stream_id, 0, frames), now_s=10 + stream_id)
    assert take(queue, 20) == [(1, 0, 4, True), (2, 0, 8, False), (3, 0, 8, False)]


def test_a_chunk_whose_stream_goes_while_a_piece_of_it_is_decoded_is_refused_once() -> None:
    queue = make(piece_frames=8)
    add(queue, chunk(1, 0, 24), now_s=10)
    add(queue, chunk(1, 1, 4), now_s=10)
    [piece] = queue.take()
    assert [refusal.waiting.chunk.index for refusal in queue.abort(1)] == [1]
    [refusal] = queue.give_back(piece, 10.1)
    assert refusal.waiting is piece.waiting
    assert isinstance(refusal.error, CancelledError)
    assert queue.num_streams == 0
    assert queue.num_waiting == 0
    assert queue.take() == []


def test_a_chunk_whose_end_is_decoded_while_its_stream_goes_is_not_refused() -> None:
    queue = make(piece_frames=8)
    add(queue, chunk(1, 0, 8), now_s=10)
    [piece] = queue.take()
    assert queue.abort(1) == []
    assert queue.give_back(piece, 10.1) == []
    assert piece.is_final


def test_a_chunk_decoded_in_part_is_refused_with_those_that_wait() -> None:
    queue = make(piece_frames=8)
    add(queue, chunk(1, 0, 24), now_s=10)
    add(queue, chunk(1, 1, 4), now_s=10)
    take(queue, 10.1)
    assert queue.num_waiting == 2
    assert queue.seconds_to_idle(10.1) is None
    assert [refusal.waiting.chunk.index for refusal in queue.end_all(UnavailableError("closing"))] == [0, 1]


@settings(deadline=None)
@given(
    piece_frames=st.sampled_from([0, 4, 8, 16]),
    max_batch_frames=st.sampled_from([0, 8, 16, 40]),
    max_batch=st.integers(1, 8),
    sizes=st.lists(st.lists(st.integers(0, 64), min_size=1, max_size=5), min_size=1, max_size=9),
    data=st.data(),
)
def test_every_chunk_is_decoded_once_in_order_or_refused_once(
    piece_frames: int, max_batch_frames: int, max_batch: int, sizes: list[list[int]], data: st.DataObject
) -> None:
    queue = make(max_batch, piece_frames, max_batch_frames)
    answered: dict[int, list[tuple[int, str]]] = {stream_id: [] for stream_id in range(len(sizes))}
    done = dict.fromkeys(answered, 0)
    for index in range(5):
        for stream_id, frames in enumerate(sizes):
            if index < len(frames):
                codes = np.zeros((2, frames[index]), np.int32)
                add(queue, CodesChunk(stream_id, index, codes, index == len(frames) - 1), now_s=index)
    now_s = 10.0
    dropped = data.draw(st.sets(st.sampled_from(sorted(answered))), label="dropped")
    while batch := queue.take():
        now_s += 0.1
        frames = [piece.num_frames for piece in batch]
        assert len({piece.stream.stream_id for piece in batch}) == len(batch) <= max_batch
        assert len(batch) == 1 or not max_batch_frames or sum(frames) <= max_batch_frames
        assert not piece_frames or max(frames) <= piece_frames
        refused = []
        if dropped and data.draw(st.booleans(), label="drop now"):
            refused += queue.abort(dropped.pop())
        for piece in batch:
            stream_id = piece.stream.stream_id
            assert piece.begin == done[stream_id]
            done[stream_id] = 0 if piece.is_final else piece.end
            if piece.is_final:
                answered[stream_id].append((piece.waiting.chunk.index, "sound"))
            refused += queue.give_back(piece, now_s)
        for refusal in refused:
            answered[refusal.waiting.chunk.stream_id].append((refusal.waiting.chunk.index, "refused"))
    for stream_id, events in answered.items():
        assert sorted(index for index, _ in events) == list(range(len(sizes[stream_id])))
        sounded = [index for index, what in events if what == "sound"]
        assert sounded == list(range(len(sounded)))
    assert queue.num_streams == queue.num_waiting == 0


def test_a_huge_first_chunk_of_a_call_holds_nobody_up() -> None:
    call = ServiceClass.CALL
    queue = make(max_batch=8, piece_frames=8)
    play(queue, chunk(1, 0, 8, call), now_s=10)  # dry at 10.37
    add(queue, chunk(2, 0, 3000, call), now_s=10)
    assert take(queue, 10.01) == [(2, 0, 8, False)]  # nobody else waits
    add(queue, chunk(3, 0, 4, call), now_s=10.02)
    assert take(queue, 10.03) == [(3, 0, 4, True)]  # alone, and before all
    queue = make(max_batch=1, piece_frames=8)
    play(queue, chunk(1, 0, 8, call), now_s=10)
    add(queue, chunk(2, 0, 3000, call), now_s=10)
    for index in range(1, 20):  # a call that goes on is heard without a gap, whatever the other one is decoded of
        add(queue, chunk(1, index, 8, call), now_s=10 + index * 8 * FRAME_S)
        assert take(queue, 10 + index * 8 * FRAME_S) == [(1, 0, 8, True)]
        assert take(queue, 10 + index * 8 * FRAME_S)[0][0] == 2


def test_a_large_chunk_of_a_note_waits_for_those_who_would_underrun_before() -> None:
    queue = make(piece_frames=8)
    play(queue, chunk(1, 0, 8), now_s=10)  # dry at 10.37
    add(queue, chunk(2, 0, 256), now_s=10.1)
    add(queue, chunk(1, 1, 8), now_s=10.2)
    assert take(queue, 10.2) == [(1, 0, 8, True)]


@settings(deadline=None)
@given(
    num_calls=st.integers(1, 16),
    num_notes=st.integers(1, 4),
    max_batch=st.integers(1, 8),
    max_batch_frames=st.sampled_from([0, 8, 16]),
    begins=st.lists(st.integers(0, 2), min_size=60, max_size=60),
    frames=st.sampled_from([4, 8, 40]),
)
def test_calls_that_never_pause_leave_notes_their_share_and_notes_hold_up_no_first_chunk(
    num_calls: int, num_notes: int, max_batch: int, max_batch_frames: int, begins: list[int], frames: int
) -> None:
    """However many calls have something to decode all the time, and however many begin meanwhile."""
    call = ServiceClass.CALL
    policy = BatchPolicy(max_batch, max_batch_frames, 8, wait_s=0)
    queue = ChunkQueue(policy, max_streams=1000, idle_s=60)
    next_index = dict.fromkeys(range(num_calls + num_notes), 0)
    is_call = {stream_id: stream_id < num_calls for stream_id in next_index}
    passed = 0
    for round_number, num_new in enumerate(begins):
        for stream_id in range(len(next_index), len(next_index) + num_new):
            next_index[stream_id], is_call[stream_id] = 0, True
        waiting = {stream.stream_id for stream in queue.streams if stream.waiting}
        for stream_id in next_index.keys() - waiting:
            service = call if is_call[stream_id] else ServiceClass.NOTE
            size = 4 if is_call[stream_id] else frames
            add(queue, chunk(stream_id, next_index[stream_id], size, service), now_s=10 + round_number)
            next_index[stream_id] += 1
        firsts = {s.stream_id for s in queue.streams if s.service is call and s.waiting[0].chunk.index == 0}
        batch = queue.take()
        taken = {piece.stream.stream_id for piece in batch}
        notes = {stream_id for stream_id in taken if not is_call[stream_id]}
        assert not firsts or taken <= firsts or (len(batch) == 1 and passed == NOTE_AT_LEAST_EVERY - 1)
        assert notes or passed < (NOTE_AT_LEAST_EVERY if firsts else NOTE_EVERY) - 1
        passed = 0 if notes else passed + 1
        for piece in batch:
            queue.give_back(piece, 10 + round_number)


def test_a_note_takes_no_more_than_its_share_from_calls() -> None:
    """Half of the frames of one batch in so many, as large as a CPU decodes them."""
    queue = make(max_batch=8, piece_frames=8, max_batch_frames=16)
    frames = dict.fromkeys(range(5), 0)
    num_batches = 10 * NOTE_EVERY
    for index in range(num_batches):
        for stream_id in frames:
            add(queue, chunk(stream_id, index, 8, ServiceClass.NOTE if stream_id == 4 else ServiceClass.CALL), 10)
    first_chunks = take(queue, 10)
    assert 4 not in {stream_id for stream_id, *_ in first_chunks}
    for _ in range(num_batches):
        for stream_id, _, num_frames, _ in take(queue, 10):
            frames[stream_id] += num_frames
    assert frames[4] == 8 * num_batches / NOTE_EVERY
    assert sum(frames.values()) == 16 * num_batches
