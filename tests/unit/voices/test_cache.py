"""One computation for all who ask at once, a bound in bytes, and nothing kept that was forgotten or failed."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from s1_tts.voices.cache import SingleFlightCache


def cache(limit_bytes: int = 100) -> SingleFlightCache[bytes]:
    return SingleFlightCache(limit_bytes, len)


def gives(value: bytes) -> Callable[[], Awaitable[bytes]]:
    async def compute() -> bytes:
        return value

    return compute


async def fails() -> bytes:
    await asyncio.sleep(0)
    raise ValueError("no")


async def test_many_who_ask_at_once_start_one_computation() -> None:
    held = cache()
    gate = asyncio.Event()
    num_started = 0

    async def compute() -> bytes:
        nonlocal num_started
        num_started += 1
        await gate.wait()
        return b"value"

    asked = [asyncio.create_task(held.get("key", compute)) for _ in range(16)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in asked)
    gate.set()
    assert await asyncio.gather(*asked) == [b"value"] * 16
    assert num_started == 1
    stats = held.stats()
    assert (stats.misses, stats.hits, stats.entries, stats.size_bytes) == (1, 15, 1, 5)


async def test_the_least_used_gives_way_at_the_limit() -> None:
    held = cache(limit_bytes=10)
    for key in ("a", "b", "a", "c"):
        await held.get(key, gives(b"12345"))
    assert held.peek("b") is None
    assert held.peek("a") == held.peek("c") == b"12345"
    assert (held.stats().size_bytes, held.stats().evictions) == (10, 1)


async def test_what_is_larger_than_the_limit_is_handed_out_and_not_kept() -> None:
    held = cache(limit_bytes=4)
    assert await held.get("a", gives(b"12345")) == b"12345"
    assert held.stats().entries == 0


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    held = cache()
    both = await asyncio.gather(held.get("a", fails), held.get("a", fails), return_exceptions=True)
    assert [str(error) for error in both] == ["no", "no"]
    assert (held.stats().misses, held.stats().hits) == (1, 1)
    assert await held.get("a", gives(b"x")) == b"x"


async def test_a_computation_that_cannot_begin_is_a_failure() -> None:
    def compute() -> Awaitable[bytes]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await cache().get("a", compute)


async def test_what_is_forgotten_while_it_is_computed_is_not_kept() -> None:
    held = cache()
    gate = asyncio.Event()

    async def compute() -> bytes:
        await gate.wait()
        return b"old"

    asked = asyncio.create_task(held.get("a", compute))
    await asyncio.sleep(0)
    held.forget("a")
    new = await held.get("a", gives(b"new"))
    gate.set()
    assert (await asked, new, held.peek("a")) == (b"old", b"new", b"new")


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    held = cache()
    gate = asyncio.Event()

    async def compute() -> bytes:
        await gate.wait()
        return b"value"

    leaving, staying = (asyncio.create_task(held.get("a", compute)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    assert await staying == b"value"
