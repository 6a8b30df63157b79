from s1_tts.lm.chunking import ChunkRules, ChunkSchedule
from s1_tts.protocol import FRAMES_PER_SECOND

RULES = ChunkRules()


def play(schedule: ChunkSchedule, frames_per_s: float, num_chunks: int) -> tuple[list[int], list[float]]:
    """Make chunks at a steady rate; returns their sizes and the listener's lead just before each arrives, in s."""
    now_s, sent, sizes, leads = 0.0, 0, [], []
    first_s = 0.0
    for index in range(num_chunks):
        size = schedule.frames
        now_s += size / frames_per_s
        if index == 0:
            first_s = now_s
        else:
            leads.append(sent / FRAMES_PER_SECOND - (now_s - first_s))
        schedule.sent(size, now_s)
        sent += size
        sizes.append(size)
    return sizes, leads


def test_a_fixed_size_stays() -> None:
    sizes, _ = play(ChunkSchedule(RULES, 7, 0.0), 100.0, 10)
    assert sizes == [7] * 10


def test_a_fast_stream_grows_to_the_largest_chunk_without_an_underrun() -> None:
    for times_real_time in (1.5, 2.0, 3.0, 10.0, 100.0):
        sizes, leads = play(ChunkSchedule(RULES, 0, 0.0), times_real_time * FRAMES_PER_SECOND, 40)
        assert sizes[0] == RULES.first_frames
        assert min(leads) >= 0, times_real_time
        assert sizes[-1] == RULES.largest_frames


def test_a_stream_that_is_not_ahead_keeps_small_chunks() -> None:
    sizes, _ = play(ChunkSchedule(RULES, 0, 0.0), 0.8 * FRAMES_PER_SECOND, 20)
    assert set(sizes) == {RULES.first_frames}


def test_a_stall_brings_small_chunks_back() -> None:
    schedule = ChunkSchedule(RULES, 0, 0.0)
    now_s = 0.0
    for _ in range(8):
        now_s += schedule.frames / 200
        schedule.sent(schedule.frames, now_s)
    assert schedule.frames > 2 * RULES.first_frames
    schedule.sent(schedule.frames, now_s + 60.0)
    assert schedule.frames == RULES.first_frames
