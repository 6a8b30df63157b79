"""A bound in bytes for recordings that are under way; counting requests bounds nothing, since one may be 256 MiB."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from s1_protocol.errors import UnavailableError
from s1_tts.voices.voice import Recording

T = TypeVar("T")


class ByteBudget:
    """Recordings under way, in bytes; used by several threads.

    Args:
        limit: What may be under way at once. One request always may, however large.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held = self._num_refused = 0

    @property
    def held(self) -> int:
        """Bytes under way."""
        return self._held

    @property
    def num_refused(self) -> int:
        """Requests refused."""
        return self._num_refused

    def begin(self, recordings: Sequence[Recording], start: Callable[[], Future[T]]) -> Future[T]:
        """Start what reads these recordings; they count until it is done.

        Raises:
            UnavailableError: there are too many bytes under way.
        """
        size = sum(len(recording.audio) for recording in recordings)
        with self._lock:
            if self._held and self._held + size > self._limit:
                self._num_refused += 1
                raise UnavailableError(
                    f"recordings of {self._held / 1e6:.0f} MB are under way already, of at most "
                    f"{self._limit / 1e6:.0f} MB; try again later"
                )
            self._held += size
        try:
            begun = start()
        except BaseException:
            self._give_back(size)
            raise
        begun.add_done_callback(lambda _done: self._give_back(size))
        return begun

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._held -= size
