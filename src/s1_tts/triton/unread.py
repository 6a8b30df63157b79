"""A bound for what the server holds of answers that its callers have not read.

Triton keeps what a model has sent until its caller reads it, over HTTP as over gRPC, and tells no model how much that
is. But all of it lies in the memory of the server's process, which models can see: it is the process that started them.
Beyond a limit new streams are refused, so that those that are read come to their end; if that does not help for a
while, this model counts as lost, and the server's launcher ends it, which closes all connections.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from s1_protocol.errors import UnavailableError

PATIENCE_S = 60.0
"""How long new streams are refused before the server is given up."""

ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)
"""Memory that belongs to a process alone, in ``/proc/<id>/status`` (proc(5))."""


def server_bytes() -> int | None:
    """Memory of the server's process; None where, or while, the system does not tell."""
    try:
        found = ANONYMOUS.search(Path(f"/proc/{os.getppid()}/status").read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


class UnreadSound:
    """What the server has come to hold; one thread looks, any may ask.

    Args:
        limit_bytes: What it may hold beyond the least that it was seen to hold.
        patience_s: How long it may be over the limit.
        read: Tells the memory of the server's process.
    """

    def __init__(
        self, limit_bytes: int, patience_s: float = PATIENCE_S, read: Callable[[], int | None] = server_bytes
    ) -> None:
        self._limit_bytes = limit_bytes
        self._patience_s = patience_s
        self._read = read
        self._least_bytes = read()
        self._held_bytes = 0
        self._over_since_s: float | None = None
        self.num_refused = 0

    @property
    def held_bytes(self) -> int:
        """Memory of the server's process beyond the least that was seen."""
        return self._held_bytes

    def look(self) -> None:
        """Look how much it is now; what cannot be read, as when files run out, leaves all as it was."""
        now_bytes = self._read()
        if now_bytes is None:
            return
        self._least_bytes = now_bytes if self._least_bytes is None else min(self._least_bytes, now_bytes)
        self._held_bytes = now_bytes - self._least_bytes
        if self._held_bytes <= self._limit_bytes:
            self._over_since_s = None
        elif self._over_since_s is None:
            self._over_since_s = time.monotonic()

    def check(self) -> None:
        """Refuse a new stream while there is too much.

        Raises:
            UnavailableError: there is.
        """
        if self._over_since_s is not None:
            self.num_refused += 1
            raise UnavailableError(
                f"the server holds {self._held_bytes / 1e6:.0f} MB, mostly sound that callers have not read, of at "
                f"most {self._limit_bytes / 1e6:.0f} MB; try again later"
            )

    def fault(self) -> str | None:
        """Why this server is to be ended, if it is."""
        since_s = self._over_since_s
        if since_s is None or time.monotonic() - since_s < self._patience_s:
            return None
        held = f"{self._held_bytes / 1e6:.0f} MB of at most {self._limit_bytes / 1e6:.0f} MB"
        return f"the server has held {held} for {self._patience_s:g} s, mostly sound that callers do not read"
