"""What the server holds for callers who do not read is bounded: beyond it others are refused, then it is given up."""

import subprocess
import sys

import pytest

from s1_protocol.errors import UnavailableError
from s1_tts.triton import unread as module
from s1_tts.triton.unread import UnreadSound


class Server:
    """A server whose memory the test sets, and a clock that it moves."""

    held_bytes = 300
    now_s = 50.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(module, "time", server)
    return server


def test_new_streams_are_refused_while_there_is_too_much(server: Server) -> None:
    unread = UnreadSound(100_000_000, read=lambda: server.held_bytes)
    unread.look()
    unread.check()
    server.held_bytes += 100_000_000
    unread.look()
    unread.check()
    server.held_bytes += 1
    unread.look()
    with pytest.raises(
        UnavailableError, match="holds 100 MB, mostly sound that callers have not read, of at most 100 MB"
    ):
        unread.check()
    assert unread.num_refused == 1
    server.held_bytes -= 1
    unread.look()
    unread.check()


def test_a_server_that_stays_over_the_limit_is_given_up(server: Server) -> None:
    unread = UnreadSound(100, patience_s=60.0, read=lambda: server.held_bytes)
    server.held_bytes = 500
    for seconds in (0, 59):
        server.now_s = 50.0 + seconds
        unread.look()
        assert unread.fault() is None
    server.held_bytes = 400  # once below the limit, it has its time anew
    unread.look()
    server.held_bytes = 500
    unread.look()
    server.now_s += 59
    assert unread.fault() is None
    server.now_s += 2
    assert "for 60 s, mostly sound that callers do not read" in str(unread.fault())


def test_what_was_there_before_counts_for_nothing(server: Server) -> None:
    """A server that was still loading, or the one before that left more behind."""
    server.held_bytes = 900
    unread = UnreadSound(100, read=lambda: server.held_bytes)
    unread.look()
    assert unread.held_bytes == 0
    server.held_bytes = 200
    unread.look()
    server.held_bytes = 250
    unread.look()
    assert unread.held_bytes == 50


def test_memory_that_cannot_be_read_for_a_moment_changes_nothing() -> None:
    readings = iter([None, 300, None, 350])
    unread = UnreadSound(100, read=lambda: next(readings))
    for held_bytes in (0, 0, 50):
        unread.look()
        assert unread.held_bytes == held_bytes


def test_the_memory_is_that_of_the_process_that_started_this_one() -> None:
    script = """
import subprocess, sys
told = [sys.executable, "-c", "from s1_tts.triton.unread import ANONYMOUS; import os, pathlib; "
        "print(ANONYMOUS.search(pathlib.Path(f'/proc/{os.getppid()}/status').read_text())[1])"]
before = int(subprocess.check_output(told))
held = b"x" * 200_000_000
print(int(subprocess.check_output(told)) - before)
"""
    grown_kb = int(subprocess.check_output([sys.executable, "-c", script]))
    assert 190_000 < grown_kb < 250_000
