"""Sizes of chunks; the codec and the listener are simulated, so no test depends on the machine."""

import random
from itertools import accumulate

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.lm.chunking import ChunkRules, ChunkSchedule
from tests.unit.lm.listener import listen

RULES = ChunkRules()
SMALLEST = ChunkRules(largest_frames=RULES.first_frames)
SLOWEST_FRAME_S = RULES.reserve_s / RULES.first_frames


def at_rate(times_real_time: float, num_frames: int) -> list[float]:
    """Times of frames made at a steady rate."""
    return [number / (times_real_time * FRAMES_PER_SECOND) for number in range(1, num_frames + 1)]


def no_codec(num_frames: int) -> float:
    return 0.0


def test_a_fixed_size_stays() -> None:
    assert listen(ChunkSchedule(RULES, 7), at_rate(5.0, 70), no_codec).sizes == [7] * 10


@pytest.mark.parametrize("times_real_time", [1.5, 2.0, 3.0, 10.0, 100.0])
def test_a_fast_stream_grows_to_the_largest_chunk(times_real_time: float) -> None:
    heard = listen(ChunkSchedule(RULES, 0), at_rate(times_real_time, 3000), no_codec)
    assert heard.sizes[0] == RULES.first_frames
    assert max(heard.sizes) == heard.sizes[-2] == RULES.largest_frames
    assert not heard.silences_s


def test_chunks_are_multiples_of_the_first_and_empty_ones_are_never_due() -> None:
    heard = listen(ChunkSchedule(RULES, 0), at_rate(1.7, 997), no_codec)
    assert all(size % RULES.first_frames == 0 for size in heard.sizes[:-1])
    assert not ChunkSchedule(RULES, 0).is_due(0, 1.0)


def test_a_stream_that_is_not_ahead_keeps_small_chunks() -> None:
    assert set(listen(ChunkSchedule(RULES, 0), at_rate(0.8, 80), no_codec).sizes) == {RULES.first_frames}


def test_a_stream_that_becomes_slow_sends_what_it_has() -> None:
    """The size is not settled when a chunk is begun."""
    schedule = ChunkSchedule(RULES, 0)
    fast = at_rate(10.0, 500)
    listen(schedule, fast, no_codec)
    now_s = fast[-1] + 60.0 * 0.9  # most of the lead has gone by
    assert [schedule.is_due(count, now_s) for count in (0, 1, 3, 4, 7, 8)] == [False, False, False, True, False, True]


def test_a_stream_that_ran_dry_grows_again() -> None:
    """The listener begins anew with the first chunk after the silence."""
    schedule = ChunkSchedule(RULES, 0)
    frames_s = at_rate(3.0, 100)
    frames_s += [frames_s[-1] + 60.0 + time_s for time_s in at_rate(3.0, 1000)]
    heard = listen(schedule, frames_s, no_codec)
    assert len(heard.silences_s) == 1
    assert heard.sizes[-2] == RULES.largest_frames


@st.composite
def streams(draw: st.DrawFn) -> list[float]:
    """Times of frames, of which each takes any time up to a slowest one: no few of them outlast the reserve."""
    slowest_s = draw(st.floats(0.001, SLOWEST_FRAME_S))
    frame_s = st.floats(0.0, slowest_s)
    return list(accumulate(draw(st.lists(frame_s, min_size=1, max_size=120))))


def is_dry(schedule: ChunkSchedule, frames_s: list[float], fixed_s: float, frame_s: float) -> bool:
    return bool(listen(schedule, frames_s, lambda count: fixed_s + frame_s * count).silences_s)


@settings(max_examples=400, deadline=None)
@given(frames_s=streams(), codec_share=st.floats(0, RULES.codec_share), fixed_part=st.floats(0, 1))
def test_growth_is_never_the_reason_for_an_underrun(
    frames_s: list[float], codec_share: float, fixed_part: float
) -> None:
    """What the smallest chunks bring in time comes in time."""
    smallest_chunk_s = RULES.first_frames * codec_share / FRAMES_PER_SECOND
    fixed_s = fixed_part * smallest_chunk_s
    frame_s = (1 - fixed_part) * smallest_chunk_s / RULES.first_frames
    assume(not is_dry(ChunkSchedule(SMALLEST, 0), frames_s, fixed_s, frame_s))
    assert not is_dry(ChunkSchedule(RULES, 0), frames_s, fixed_s, frame_s)


@settings(max_examples=100, deadline=None)
@given(
    factor=st.floats(0.61, 0.79),
    jitter=st.lists(st.floats(-0.5, 0.5), min_size=20, max_size=300),
    codec_share=st.floats(0, RULES.codec_share),
)
def test_an_uneven_stream_a_little_faster_than_playback(factor: float, jitter: list[float], codec_share: float) -> None:
    """The rates at which streams ran dry in a noisy run of the real server."""
    frames_s = list(accumulate(factor / FRAMES_PER_SECOND * (1 + share) for share in jitter))
    assume(not is_dry(ChunkSchedule(SMALLEST, 0), frames_s, 0.0, codec_share / FRAMES_PER_SECOND))
    assert not is_dry(ChunkSchedule(RULES, 0), frames_s, 0.0, codec_share / FRAMES_PER_SECOND)


def noisy_frames(frame_s: float, seed: int) -> list[float]:
    """Times of 240 frames: each takes half to one and a half times its time, and one in 50 is followed by a stall."""
    source = random.Random(seed)
    stalls_s = (source.uniform(0, 0.25) if source.random() < 0.02 else 0.0 for _ in range(240))
    return list(accumulate(frame_s * source.uniform(0.5, 1.5) + stall_s for stall_s in stalls_s))


@pytest.mark.parametrize(("lm_share", "codec_share"), [(0.26, 0.01), (0.61, 0.03), (0.79, 0.04), (0.79, 0.22)])
def test_on_a_noisy_machine_no_stream_underruns_because_of_its_chunks(lm_share: float, codec_share: float) -> None:
    """Shares of playback that the two models take; stalls outlast the reserve here."""
    frames = [noisy_frames(lm_share / FRAMES_PER_SECOND, seed) for seed in range(100)]

    def decode_s(num_frames: int) -> float:
        return codec_share * num_frames / FRAMES_PER_SECOND

    default = [listen(ChunkSchedule(RULES, 0), frames_s, decode_s) for frames_s in frames]
    smallest = [listen(ChunkSchedule(SMALLEST, 0), frames_s, decode_s) for frames_s in frames]
    assert not [one for one, small in zip(default, smallest, strict=True) if one.silences_s and not small.silences_s]
    assert [one.first_audio_s for one in default] == [small.first_audio_s for small in smallest]
    assert 240 * len(default) / sum(len(one.sizes) for one in default) > 1.5 * RULES.first_frames


def test_the_noisy_machine_shows_a_schedule_that_watches_no_lead() -> None:
    """What the test above must be able to see."""
    reckless = ChunkRules(lead_share=1e9, reserve_s=-1e9)
    heard = [
        listen(ChunkSchedule(reckless, 0), noisy_frames(0.79 / FRAMES_PER_SECOND, seed), no_codec) for seed in range(9)
    ]
    assert all(one.silences_s for one in heard)
