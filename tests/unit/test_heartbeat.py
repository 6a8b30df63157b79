"""A process shows its sign of life as long as its threads run and its engine's rounds end."""

import os
import threading
from pathlib import Path

import pytest

from s1_tts.heartbeat import Heartbeat, RoundClock


def sign_of(folder: Path) -> int:
    return (folder / str(os.getpid())).stat().st_mtime_ns


def is_shown(heartbeat: Heartbeat, folder: Path) -> bool:
    os.utime(folder / str(os.getpid()), ns=(0, 0))
    heartbeat.beat()
    return sign_of(folder) != 0


def test_a_thread_that_ended_ends_the_sign(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave = threading.Event()
    thread = threading.Thread(target=leave.wait, name="s1-worker")
    thread.start()
    heartbeat = Heartbeat(tmp_path, [thread])
    assert is_shown(heartbeat, tmp_path)
    leave.set()
    thread.join()
    assert not is_shown(heartbeat, tmp_path)
    assert "the thread s1-worker has ended" in caplog.text


def test_a_round_that_does_not_end_ends_the_sign_and_a_loop_that_waits_does_not(tmp_path: Path) -> None:
    clock = RoundClock()
    heartbeat = Heartbeat(tmp_path, [], [clock], longest_round_s=0.0)
    assert is_shown(heartbeat, tmp_path)
    clock.begin()
    threading.Event().wait(0.001)
    assert not is_shown(heartbeat, tmp_path)
    clock.end()
    assert is_shown(heartbeat, tmp_path)


def test_without_a_folder_nothing_is_shown() -> None:
    Heartbeat(None, []).beat()
