"""A thread that does something every so often until it is closed."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Ticker:
    """Calls a function at regular intervals, from a thread of its own.

    Args:
        name: Name of the thread.
        interval_s: Seconds between two calls.
        action: What to do; a failure is logged and does not stop the ticker.
    """

    def __init__(self, name: str, interval_s: float, action: Callable[[], None]) -> None:
        self._name = name
        self._interval_s = interval_s
        self._action = action
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the call at hand."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._interval_s):
            try:
                self._action()
            except Exception:
                # What it does is upkeep: one failure must neither end it nor touch the streams.
                log.exception("%s failed", self._name)
