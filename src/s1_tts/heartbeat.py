"""A sign of life that a process shows to the one that started the server.

The sign is the time of change of a file: it costs no room, no port, and says nothing to anybody else. A process shows
it as long as its threads run and its engine's rounds end in time; else it writes into the file what is wrong. One that
is stopped or stuck can do neither.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "S1TTS_BEATS"
"""Environment variable with the folder of the signs; no setting, since no user sets it."""

BEAT_S = 0.25
"""Time between two signs."""

LONGEST_ROUND_S = 30.0
"""A round of an engine that takes longer than this is taken for one that does not end, whatever it does."""

SHORTEST_BOUND_S = 1.0
TIMES_LONGEST = 6
"""Once a loop is known, a round may take this many times the longest so far, and ``SHORTEST_BOUND_S`` at least."""

LEARNING_ROUNDS = 16
"""Rounds after which a loop is known; the first ones may build code for shapes that are new."""

LATE_S = 0.5
"""If a sign comes later than this, the process stood still, or its machine: no round is to blame for that time."""

OWN_THREADS = ("s1-", "codec-")
"""How the names of the project's threads begin."""


class RoundClock:
    """How long a loop has been in its present round, and how long it may. One thread sets it, any may read it.

    Args:
        is_learning: Whether the bound follows from the rounds so far. On a GPU it does not: nobody has measured how
            long a kernel may take that is built for a shape that is new.
    """

    def __init__(self, *, is_learning: bool = True) -> None:
        self._is_learning = is_learning
        self._began_s: float | None = None
        self._longest_s = 0.0
        self._num_rounds = 0

    def begin(self) -> None:
        """A round begins."""
        self._began_s = time.monotonic()

    def end(self) -> None:
        """The loop waits for work."""
        if self._began_s is not None:
            self._longest_s = max(self._longest_s, time.monotonic() - self._began_s)
            self._num_rounds += 1
        self._began_s = None

    @property
    def bound_s(self) -> float:
        """Seconds that a round may take."""
        if not self._is_learning or self._num_rounds < LEARNING_ROUNDS:
            return LONGEST_ROUND_S
        return min(LONGEST_ROUND_S, max(SHORTEST_BOUND_S, TIMES_LONGEST * self._longest_s))

    def elapsed_s(self, since_s: float = 0.0) -> float:
        """Seconds since the round began, of those after a time on ``time.monotonic``; 0: none is on."""
        began_s = self._began_s
        return 0.0 if began_s is None else time.monotonic() - max(began_s, since_s)


class Heartbeat:
    """Shows the sign of this process; :meth:`beat` is called every ``BEAT_S``.

    Args:
        folder: Where the signs are; none: nobody looks.
        threads: Threads that must not end before the process does.
        rounds: Clocks of the engines.
        faults: Each tells what else is wrong with the process, or the server, if anything.
    """

    def __init__(
        self,
        folder: Path | None,
        threads: Iterable[threading.Thread],
        rounds: Iterable[RoundClock] = (),
        faults: Iterable[Callable[[], str | None]] = (),
    ) -> None:
        self._file = folder / str(os.getpid()) if folder else None
        self._threads = tuple(threads)
        self._rounds = tuple(rounds)
        self._faults = tuple(faults)
        self._is_well = True
        self._beat_s = self._stood_still_s = time.monotonic()
        if self._file:
            self._file.touch()

    @property
    def fault(self) -> str | None:
        """What is wrong with this process, if anything."""
        ended = [thread.name for thread in self._threads if not thread.is_alive()]
        if ended:
            return f"the thread {ended[0]} has ended"
        for clock in self._rounds:
            elapsed_s = clock.elapsed_s(self._stood_still_s)
            if elapsed_s > clock.bound_s:
                return f"a round of the engine takes {elapsed_s:.1f} s, of at most {clock.bound_s:.1f} s"
        return next((fault for fault in (tell() for tell in self._faults) if fault), None)

    def beat(self) -> None:
        """Show the sign, or tell what is wrong."""
        now_s = time.monotonic()
        if now_s - self._beat_s > LATE_S:
            self._stood_still_s = now_s
        self._beat_s = now_s
        fault = self.fault
        if fault and self._is_well:
            log.critical("%s: this process counts as lost", fault)
        if self._file:
            if fault or not self._is_well:
                self._file.write_text(fault or "", encoding="utf-8")
            os.utime(self._file)
        self._is_well = fault is None


def beats_folder() -> Path | None:
    """Where the starter of the server looks for signs; none when it does not look."""
    value = os.environ.get(FOLDER_VARIABLE)
    return Path(value) if value else None


def own_threads() -> list[threading.Thread]:
    """Threads of this process that the project started and that run until its end."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(OWN_THREADS)]
