"""A cache bounded by bytes, in which many who ask for the same thing at once cause one computation."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from s1_tts.voices.futures import stopped_or_failed

T = TypeVar("T")


@dataclass(frozen=True)
class CacheStats:
    """What a cache counted.

    Args:
        hits: Questions answered from the cache, or by a computation that was already under way.
        misses: Questions that started a computation.
        evictions: Values dropped to stay within the limit.
        entries: Values held.
        size_bytes: Their size.
        limit_bytes: What it may grow to.
    """

    hits: int
    misses: int
    evictions: int
    entries: int
    size_bytes: int
    limit_bytes: int


class SingleFlightCache(Generic[T]):
    """Values by key; the ones not used for longest give way. Used by several threads.

    Args:
        limit_bytes: What it may grow to; a value larger than this is handed out and not kept.
        size_bytes: Size of a value.
    """

    def __init__(self, limit_bytes: int, size_bytes: Callable[[T], int]) -> None:
        self._limit_bytes = limit_bytes
        self._size_of = size_bytes
        self._lock = threading.Lock()
        self._values: OrderedDict[str, T] = OrderedDict()
        self._flights: dict[str, Future[T]] = {}
        self._held_bytes = 0
        self._hits = self._misses = self._evictions = 0

    def peek(self, key: str) -> T | None:
        """A value if it is held; counts as no question."""
        with self._lock:
            return self._values.get(key)

    def ask(self, key: str, start: Callable[[], Future[T]]) -> Future[T]:
        """Get a value, or start computing it if nobody has; never waits for the computation.

        Args:
            key: What is wanted.
            start: Starts the computation; called at most once for all who ask while it runs.

        Returns:
            The value to come. A failure reaches all who wait and is not kept.
        """
        with self._lock:
            flight: Future[T] | None = self._flights.get(key)
            if flight is None and key in self._values:
                self._values.move_to_end(key)
                flight = Future()
                flight.set_result(self._values[key])
            if flight is not None:
                self._hits += 1
                return flight
            flight = self._flights[key] = Future()
            self._misses += 1
        try:
            computation = start()
        except Exception as error:
            self._land(key, flight, None)
            flight.set_exception(error)
            return flight
        computation.add_done_callback(lambda done: self._finish(key, flight, done))
        return flight

    def forget(self, key: str) -> None:
        """Drop a value; what is being computed for it now reaches those who wait and is not kept."""
        with self._lock:
            self._drop(key)
            self._flights.pop(key, None)

    def stats(self) -> CacheStats:
        """Counters and sizes."""
        with self._lock:
            return CacheStats(
                self._hits, self._misses, self._evictions, len(self._values), self._held_bytes, self._limit_bytes
            )

    def _finish(self, key: str, flight: Future[T], done: Future[T]) -> None:
        error = stopped_or_failed(done)
        if error is None:
            self._land(key, flight, done)
            flight.set_result(done.result())
        else:
            self._land(key, flight, None)
            flight.set_exception(error)

    def _land(self, key: str, flight: Future[T], done: Future[T] | None) -> None:
        with self._lock:
            if self._flights.get(key) is not flight:
                return  # forgotten meanwhile
            del self._flights[key]
            if done is not None:
                self._keep(key, done.result())

    def _keep(self, key: str, value: T) -> None:
        self._drop(key)
        if self._size_of(value) > self._limit_bytes:
            return
        self._values[key] = value
        self._held_bytes += self._size_of(value)
        while self._held_bytes > self._limit_bytes:
            self._drop(next(iter(self._values)))
            self._evictions += 1

    def _drop(self, key: str) -> None:
        if key in self._values:
            self._held_bytes -= self._size_of(self._values.pop(key))
