"""A cache bounded by bytes, in which many who ask for the same thing at once cause one computation."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

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


class _Flight(Generic[T]):
    """A computation under way, and how many wait for it."""

    task: asyncio.Task[T]

    def __init__(self) -> None:
        self.num_waiting = 0


class SingleFlightCache(Generic[T]):
    """Values by key; the ones not used for longest give way. For one event loop; only :meth:`stats` is for any thread.

    Args:
        limit_bytes: What it may grow to; a value larger than this is handed out and not kept.
        size_bytes: Size of a value.
    """

    def __init__(self, limit_bytes: int, size_bytes: Callable[[T], int]) -> None:
        self._limit_bytes = limit_bytes
        self._size_of = size_bytes
        self._values: OrderedDict[str, T] = OrderedDict()
        self._flights: dict[str, _Flight[T]] = {}
        self._held_bytes = 0
        self._hits = self._misses = self._evictions = 0

    def peek(self, key: str) -> T | None:
        """A value if it is held; counts as no question."""
        return self._values.get(key)

    async def get(self, key: str, compute: Callable[[], Awaitable[T]]) -> T:
        """Get a value, or compute it if nobody has.

        Args:
            key: What is wanted.
            compute: The computation; called at most once for all who ask while it runs. Its failure reaches all of
                them and is not kept. It is cancelled when all of them have been.
        """
        if key in self._values:
            self._hits += 1
            self._values.move_to_end(key)
            return self._values[key]
        flight = self._flights.get(key)
        if flight is None:
            self._misses += 1
            flight = self._flights[key] = _Flight()
            flight.task = asyncio.ensure_future(self._compute(key, compute, flight))
        else:
            self._hits += 1
        flight.num_waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.num_waiting -= 1
            if flight.num_waiting == 0 and not flight.task.done():
                flight.task.cancel()
                self._land(key, flight)

    def forget(self, key: str) -> None:
        """Drop a value; what is being computed for it now reaches those who wait and is not kept."""
        self._drop(key)
        self._flights.pop(key, None)

    def stats(self) -> CacheStats:
        """Counters and sizes."""
        return CacheStats(
            self._hits, self._misses, self._evictions, len(self._values), self._held_bytes, self._limit_bytes
        )

    async def _compute(self, key: str, compute: Callable[[], Awaitable[T]], flight: "_Flight[T]") -> T:
        is_wanted = False
        try:
            value = await compute()
        finally:
            is_wanted = self._land(key, flight)
        if is_wanted:
            self._keep(key, value)
        return value

    def _land(self, key: str, flight: "_Flight[T]") -> bool:
        """Note that a computation is no longer under way; returns whether it still was the one for its key."""
        if self._flights.get(key) is not flight:
            return False
        del self._flights[key]
        return True

    def _keep(self, key: str, value: T) -> None:
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
