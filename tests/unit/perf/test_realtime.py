"""What a lone caller of a server on a CPU hears, and the table of it."""

import pytest
from perf.errors import MeasurementError
from perf.load.streams import ChunkArrival, Outcome, StreamRecord
from perf.server.realtime import MODELS, RealtimeFigures, ServerFigures, alone, late_underruns, realtime_table

from s1_protocol.sound import SAMPLE_RATE_HZ


def record(*chunks: tuple[float, float], outcome: Outcome = Outcome.OK) -> StreamRecord:
    arrivals = [ChunkArrival(at_s, round(length_s * SAMPLE_RATE_HZ)) for at_s, length_s in chunks]
    return StreamRecord(0, "en", "medium", 40, 0, "call", arrived_s=0.0, outcome=outcome, chunks=arrivals)


@pytest.mark.parametrize(
    ("chunks", "late"),
    [
        ([(0.5, 0.2), (0.9, 0.2), (1.4, 0.2)], 0),  # silences, all in the first second
        ([(0.5, 0.2), (1.6, 0.2)], 1),
        ([(0.5, 2.0), (2.4, 0.2), (2.6, 0.2)], 0),  # never dry
        ([(0.5, 2.0), (2.6, 0.2), (2.9, 0.2)], 2),
    ],
)
def test_silences_count_once_a_second_has_been_played(chunks: list[tuple[float, float]], late: int) -> None:
    assert late_underruns(record(*chunks)) == late


def test_a_stream_that_failed_is_no_figure() -> None:
    assert alone(record((0.5, 1.0), (1.0, 1.0)), cpu_s=3.0).cpu_s_per_audio_s == pytest.approx(1.5)
    with pytest.raises(MeasurementError, match="failed"):
        alone(record((0.5, 1.0), outcome=Outcome.FAILED), cpu_s=1.0)


def test_the_table_has_a_column_for_each_kind_of_weights() -> None:
    memory = {"after the start": dict.fromkeys(MODELS, 1000.0), "after a voice": dict.fromkeys(MODELS, 2000.0)}
    stream = alone(record((0.5, 1.0), (1.0, 1.0)), cpu_s=3.0)
    servers = [
        ServerFigures(weights, [stream] * 3, [300.0, 310.0], [330.0, 340.0], 5000.0, memory)
        for weights in ("int8", "auto")
    ]
    table = realtime_table(RealtimeFigures(servers))
    assert table.columns == ("", "`S1_WEIGHTS=int8`", "`S1_WEIGHTS=auto`", "goal")
    cells = {name: (int8, auto) for name, int8, auto, _ in table.rows}
    assert cells["RTF of a stream alone"] == ("0.50", "0.50")
    assert cells["with a stored one / without"] == ("1.10", "1.10")
