"""Write a log without ever holding up the one whose log it is."""

import threading
from queue import Full, Queue
from typing import TextIO

WAITING_LINES = 10_000
LONGEST_LINE = 65_536
"""Characters of a line that are kept; the rest goes on as a line of its own."""


class LogWriter:
    """Writes lines from a thread of its own. Lines that cannot be written are lost, and counted.

    A disk may be full, and nobody may read a pipe: then the writing thread waits or fails, and no other.

    Args:
        target: Where the lines go.
    """

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._lines: Queue[str | None] = Queue(WAITING_LINES)
        self._lock = threading.Lock()
        self._num_lost = self._num_told = 0
        self._thread = threading.Thread(target=self._run, name="server-log-writer", daemon=True)
        self._thread.start()

    @property
    def num_lost(self) -> int:
        """Lines that were lost since the start."""
        return self._num_lost

    def write(self, line: str) -> None:
        """Take a line; never waits."""
        try:
            self._lines.put_nowait(line)
        except Full:
            self._lose()

    def close(self, timeout_s: float) -> None:
        """Write what waits, for as long as this takes at most."""
        try:
            self._lines.put(None, timeout=timeout_s)
        except Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                if self._num_lost > self._num_told:
                    num_lost = self._num_lost
                    self._target.write(f"{num_lost - self._num_told} lines of the log could not be written\n")
                    self._target.flush()
                    self._num_told = num_lost
                self._target.write(line)
                if self._lines.empty():
                    self._target.flush()
            except Exception:  # whatever the target is: its fault is not the server's
                self._lose()

    def _lose(self) -> None:
        with self._lock:
            self._num_lost += 1
