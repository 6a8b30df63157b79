"""A sign of life that a process shows to the one that started the server.

The sign is the time of change of a file: it costs no room, no port, and says nothing to anybody else. A process shows
it as long as its threads run and its engine's rounds end in time; one that is stopped or stuck cannot show it.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "S1TTS_BEATS"
"""Environment variable with the folder of the signs; no setting, since no user sets it."""

BEAT_S = 0.25
"""Time between two signs."""

LONGEST_ROUND_S = 30.0
"""A round of an engine that takes longer than this is taken for one that does not end."""

OWN_THREADS = ("s1-", "codec-")
"""How the names of the project's threads begin."""


class RoundClock:
    """How long a loop has been in its present round. One thread sets it, any may read it."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    def begin(self) -> None:
        """A round begins."""
        self._began_s = time.monotonic()

    def end(self) -> None:
        """The loop waits for work."""
        self._began_s = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the round began; 0: none is on."""
        began_s = self._began_s
        return 0.0 if began_s is None else time.monotonic() - began_s


class Heartbeat:
    """Shows the sign of this process; :meth:`beat` is called every ``BEAT_S``.

    Args:
        folder: Where the signs are; none: nobody looks.
        threads: Threads that must not end before the process does.
        rounds: Clocks of the engines.
        longest_round_s: Longest round of an engine.
    """

    def __init__(
        self,
        folder: Path | None,
        threads: Iterable[threading.Thread],
        rounds: Iterable[RoundClock] = (),
        longest_round_s: float = LONGEST_ROUND_S,
    ) -> None:
        self._file = folder / str(os.getpid()) if folder else None
        self._threads = tuple(threads)
        self._rounds = tuple(rounds)
        self._longest_round_s = longest_round_s
        self._is_well = True
        if self._file:
            self._file.touch()

    @property
    def fault(self) -> str | None:
        """What is wrong with this process, if anything."""
        ended = [thread.name for thread in self._threads if not thread.is_alive()]
        if ended:
            return f"the thread {ended[0]} has ended"
        longest_s = max((clock.elapsed_s for clock in self._rounds), default=0.0)
        return f"a round of the engine takes {longest_s:.0f} s" if longest_s > self._longest_round_s else None

    def beat(self) -> None:
        """Show the sign, unless something is wrong."""
        fault = self.fault
        if fault and self._is_well:
            log.critical("%s: this process gives no more sign of life", fault)
        self._is_well = fault is None
        if self._file and self._is_well:
            os.utime(self._file)


def beats_folder() -> Path | None:
    """Where the starter of the server looks for signs; none when it does not look."""
    value = os.environ.get(FOLDER_VARIABLE)
    return Path(value) if value else None


def own_threads() -> list[threading.Thread]:
    """Threads of this process that the project started and that run until its end."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(OWN_THREADS)]
