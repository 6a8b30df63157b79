"""How a load test judges what came, and memory over time."""

import random
from collections import Counter
from itertools import islice

import pytest
from perf.load.callers import BAD_OPTIONS, SHARES, Caller, Kind, Reference, soak_callers
from perf.load.generator import StreamRequest
from perf.load.load_test import LoadFigures
from perf.load.memory import trend
from perf.load.phases import MOST_FAULTS_TOLD, Phase
from perf.load.scripted_server import ServerDiedError
from perf.load.streams import ChunkArrival, Outcome, StreamRecord
from perf.load.texts import SampleText

REQUEST = StreamRequest(SampleText("en", "short", "Hello."))
RIGHT = Reference(REQUEST, checksum=7, num_samples=2048)
PLAIN = Caller(Kind.PLAIN, REQUEST, RIGHT)


def record(outcome: Outcome, *, checksum: int = 7, samples: int = 2048, error: str = "", chunks: int = 1):
    made = StreamRecord(0, "en", "short", 6, 0, "", 0.0, outcome=outcome, checksum=checksum, error=error)
    made.num_chunks = chunks
    made.chunks = [ChunkArrival(1.0, samples)] * min(chunks, 1)
    return made


def test_a_whole_stream_with_the_right_samples_and_a_refusal_are_right():
    assert PLAIN.fault(record(Outcome.OK)) == ""
    assert PLAIN.fault(record(Outcome.REFUSED, chunks=0)) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        record(Outcome.OK, checksum=8),
        record(Outcome.OK, samples=4096),
        record(Outcome.FAILED, error="UNAVAILABLE: the server is shutting down"),
        record(Outcome.CANCELLED),
    ],
)
def test_anything_else_is_a_fault_of_a_plain_caller(wrong):
    assert PLAIN.fault(wrong)


def test_bad_requests_must_be_told_so_before_any_sound():
    bad = Caller(Kind.BAD, REQUEST)
    assert bad.fault(record(Outcome.FAILED, error="INVALID_ARGUMENT: seed: got -1", chunks=0)) == ""
    assert bad.fault(record(Outcome.FAILED, error="INTERNAL: internal error abc", chunks=0))
    assert bad.fault(record(Outcome.FAILED, error="INVALID_ARGUMENT: seed: got -1", chunks=1))
    assert bad.fault(record(Outcome.OK))


def test_callers_that_leave_may_do_so():
    leaving = Caller(Kind.LEAVING, REQUEST)
    assert leaving.fault(record(Outcome.CANCELLED)) == ""
    assert leaving.fault(record(Outcome.FAILED, error="INTERNAL: internal error abc"))


def test_a_soak_has_all_kinds_of_callers_and_the_same_for_the_same_seed():
    first, again = (list(islice(soak_callers([RIGHT], random.Random(3)), 400)) for _ in range(2))
    assert first == again
    kinds = Counter(caller.kind for caller in first)
    assert {kind: count / 400 for kind, count in kinds.items()} == pytest.approx(SHARES, abs=0.07)
    assert {caller.request.options for caller in first if caller.kind is Kind.BAD} == set(BAD_OPTIONS)
    leaving = [caller.request for caller in first if caller.kind is Kind.LEAVING]
    assert all(request.cancel_after_chunks or request.cancel_after_s is not None for request in leaving)


def test_a_line_through_memory():
    flat = trend("x", [(second, 100 + (second % 2)) for second in range(300)])
    rising = trend("x", [(second, 100 + second / 30 + (second % 2)) for second in range(300)])
    assert flat.slope_mb_per_min == pytest.approx(0, abs=0.02)
    assert not flat.grows_over(1.0)
    assert rising.slope_mb_per_min == pytest.approx(2, rel=0.02)
    assert rising.grows_over(1.0)
    assert trend("x", [(0, 1), (1, 2)]) is None


def test_a_slope_within_its_error_is_not_growth():
    source = random.Random(0)
    noisy = trend("x", [(second, 100 + second / 40 + source.gauss(0, 50)) for second in range(60)])
    assert noisy.error_mb_per_min > 1
    assert not noisy.grows_over(1.0)


def test_of_many_faults_the_first_are_told():
    phase = Phase("x")
    phase.judge([PLAIN] * 50, [record(Outcome.CANCELLED)] * 50, seconds=2.0)
    assert len(phase.faults) == MOST_FAULTS_TOLD + 1
    assert phase.faults[-1] == "and 30 more like these"


def test_every_fault_of_a_load_test_is_counted():
    phase = Phase("5 at a time", requests=5, completed=4, faults=["leaked: s1_lm_active_sequences is 1"])
    growing = ["memory of s1_llama grows by 3 MB/min"]
    figures = LoadFigures([phase], [], 1.0, growing, ["code 1"])
    assert figures.faults == ["5 at a time: leaked: s1_lm_active_sequences is 1", *growing, "stopping: code 1"]
    assert LoadFigures([Phase("5 at a time")], [], 1.0, [], []).faults == []


def test_a_death_is_told_with_its_signal_and_the_end_of_the_log(tmp_path):
    log = tmp_path / "server.log"
    lines = [f"line {number}" for number in range(100)]
    log.write_text("\n".join([*lines, "error: the server ended by itself, by signal 11 (Segmentation fault)", ""]))
    told = str(ServerDiedError(log))
    assert told.startswith(f"the server died (signal 11); its log: {log}\n")
    assert "line 99" in told
    assert "line 0\n" not in told
    log.write_text("error: the server ended by itself, with code 1\n")
    assert "the server died (no signal)" in str(ServerDiedError(log))
