"""Metrics of what the server holds for callers who do not read."""

from s1_tts.triton.metric_families import Counter, Gauge
from s1_tts.triton.unread import UnreadSound


class UnreadMetrics:
    """Shows it.

    Args:
        unread: What is shown.
    """

    def __init__(self, unread: UnreadSound) -> None:
        self._unread = unread
        self._held = Gauge("s1_unread_bytes", "Memory that tritonserver holds beyond its least, mostly unread sound")
        self._refused = Counter("s1_unread_refused_total", "Streams refused because tritonserver holds too much")

    def update(self) -> None:
        """Look at the server, and show what is seen."""
        self._unread.look()
        self._held.set(self._unread.held_bytes)
        self._refused.show(self._unread.num_refused)
