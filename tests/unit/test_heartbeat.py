"""A process shows its sign of life as long as its threads run and its engine's rounds end."""

import os
import threading
from pathlib import Path

import pytest

from s1_tts import heartbeat as module
from s1_tts.heartbeat import (
    BEAT_S,
    LATE_S,
    LEARNING_ROUNDS,
    LONGEST_ROUND_S,
    SHORTEST_BOUND_S,
    TIMES_LONGEST,
    Heartbeat,
    RoundClock,
)


class Clock:
    """A clock that the test moves."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def run_rounds(rounds: RoundClock, clock: Clock, number: int, each_s: float) -> None:
    for _ in range(number):
        rounds.begin()
        clock.now_s += each_s
        rounds.end()


def test_the_sign_is_renewed_and_tells_of_a_thread_that_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave = threading.Event()
    thread = threading.Thread(target=leave.wait, name="s1-worker")
    thread.start()
    heartbeat = Heartbeat(tmp_path, [thread])
    sign = tmp_path / str(os.getpid())
    os.utime(sign, ns=(0, 0))
    heartbeat.beat()
    assert sign.stat().st_mtime_ns != 0
    assert sign.read_text() == ""
    leave.set()
    thread.join()
    heartbeat.beat()
    assert sign.read_text() == "the thread s1-worker has ended"
    assert "the thread s1-worker has ended" in caplog.text


def test_a_round_that_does_not_end_is_told_and_a_loop_that_waits_is_well(tmp_path: Path, clock: Clock) -> None:
    rounds = RoundClock()
    run_rounds(rounds, clock, LEARNING_ROUNDS, 0.5)
    heartbeat = Heartbeat(tmp_path, [], [rounds])
    sign = tmp_path / str(os.getpid())
    rounds.begin()
    for _ in range(int(TIMES_LONGEST * 0.5 / BEAT_S)):
        clock.now_s += BEAT_S
        heartbeat.beat()
        assert sign.read_text() == ""
    clock.now_s += BEAT_S
    heartbeat.beat()
    assert sign.read_text() == "a round of the engine takes 3.2 s, of at most 3.0 s"
    rounds.end()
    clock.now_s += BEAT_S
    heartbeat.beat()
    assert sign.read_text() == ""


def test_what_a_round_may_take_follows_from_those_before_it(clock: Clock) -> None:
    rounds, of_a_gpu = RoundClock(), RoundClock(is_learning=False)
    assert rounds.bound_s == LONGEST_ROUND_S
    for each in (rounds, of_a_gpu):
        run_rounds(each, clock, LEARNING_ROUNDS, 0.01)
    assert rounds.bound_s == SHORTEST_BOUND_S
    assert of_a_gpu.bound_s == LONGEST_ROUND_S
    run_rounds(rounds, clock, 1, 0.4)
    assert rounds.bound_s == pytest.approx(TIMES_LONGEST * 0.4)
    run_rounds(rounds, clock, 1, 29.0)
    assert rounds.bound_s == LONGEST_ROUND_S


def test_time_in_which_all_of_the_process_stood_still_is_no_rounds_fault(tmp_path: Path, clock: Clock) -> None:
    rounds = RoundClock()
    run_rounds(rounds, clock, LEARNING_ROUNDS, 0.01)
    heartbeat = Heartbeat(tmp_path, [], [rounds])
    rounds.begin()
    clock.now_s += SHORTEST_BOUND_S + LATE_S
    heartbeat.beat()
    assert heartbeat.fault is None
    for _ in range(int(SHORTEST_BOUND_S / BEAT_S) + 1):
        clock.now_s += BEAT_S
        heartbeat.beat()
    assert heartbeat.fault is not None


def test_without_a_folder_nothing_is_shown() -> None:
    Heartbeat(None, []).beat()
