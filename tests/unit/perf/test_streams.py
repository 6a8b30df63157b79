"""What a record says of its stream, and a summary of many."""

import pytest
from perf.load.measures import Percentiles, summarize
from perf.load.streams import ChunkArrival, Outcome, StreamRecord

from s1_protocol.sound import SAMPLE_RATE_HZ


def record(*chunks: tuple[float, float], due_s: float = 0.0, outcome: Outcome = Outcome.OK) -> StreamRecord:
    """A stream whose chunks came at these times with so many seconds of sound."""
    made = StreamRecord(0, "en", "short", 10, 100, "note", due_s, due_s, outcome=outcome)
    made.chunks = [ChunkArrival(at_s, round(audio_s * SAMPLE_RATE_HZ)) for at_s, audio_s in chunks]
    made.num_chunks = len(chunks)
    made.ended_s = chunks[-1][0] if chunks else due_s
    return made


def test_times_run_from_the_moment_the_request_was_due() -> None:
    stream = record((3.0, 0.5), (3.2, 0.5), due_s=2.0)
    stream.sent_s = 2.5
    assert stream.first_audio_s == pytest.approx(1.0)
    assert stream.second_chunk_s == pytest.approx(1.2)
    assert stream.rtf == pytest.approx(1.2)


def test_gaps_are_between_chunks() -> None:
    assert record((1.0, 1.0), (1.5, 1.0), (3.5, 1.0)).gaps_s == pytest.approx([0.5, 2.0])
    assert record((1.0, 1.0)).gaps_s == []


def test_a_stream_without_sound_has_no_times() -> None:
    silent = record(outcome=Outcome.REFUSED)
    assert (silent.first_audio_s, silent.second_chunk_s, silent.rtf) == (None, None, None)
    assert silent.underruns_s == []
    assert silent.audio_s == 0


@pytest.mark.parametrize(
    ("chunks", "silences"),
    [
        ([(1.0, 1.0), (2.0, 1.0)], []),  # just in time
        ([(1.0, 1.0), (2.5, 1.0)], [0.5]),
        ([(1.0, 1.0), (2.5, 1.0), (3.4, 1.0)], [0.5]),  # playing began anew at 2.5, so there is sound until 3.5
        ([(1.0, 1.0), (2.5, 1.0), (4.0, 1.0)], [0.5, 0.5]),
        ([(1.0, 5.0), (1.1, 1.0), (6.9, 1.0)], []),  # what comes early is kept
        ([(9.0, 1.0)], []),  # waiting for the first chunk is no underrun
    ],
)
def test_underruns_of_a_listener_at_1x(chunks: list[tuple[float, float]], silences: list[float]) -> None:
    assert record(*chunks).underruns_s == pytest.approx(silences, abs=1e-4)


def test_percentiles() -> None:
    found = Percentiles.of([*range(101), None], scale=10.0)
    assert (found.count, found.p50, found.p90, found.p95, found.p99) == (101, 500, 900, 950, 990)
    assert Percentiles.of([2.0]).p99 == 2.0
    assert Percentiles.of([None]) == Percentiles(0, None, None, None, None)


def test_a_summary_counts_all_and_times_those_that_came_whole() -> None:
    streams = [
        record((1.0, 1.0), (4.0, 1.0)),
        record((2.0, 2.0), due_s=1.0),
        record((0.1, 1.0), outcome=Outcome.FAILED),
        record(due_s=5.0, outcome=Outcome.REFUSED),
    ]
    summary = summarize(streams)
    assert (summary.streams, summary.ok, summary.refused, summary.failed, summary.cancelled) == (4, 2, 1, 1, 0)
    assert summary.first_audio_ms.count == 2
    assert summary.first_audio_ms.p50 == pytest.approx(1000)
    assert summary.second_chunk_ms.p50 == pytest.approx(4000)
    assert (summary.wall_s, summary.audio_s, summary.audio_s_per_s) == pytest.approx((5.0, 5.0, 1.0))
    assert summary.samples == 5 * SAMPLE_RATE_HZ
    assert (summary.underruns, summary.streams_with_underruns) == (1, 1)
    assert summary.silence_s == pytest.approx(2.0)


def test_nothing_cannot_be_summarized() -> None:
    with pytest.raises(ValueError, match="no streams"):
        summarize([])
