"""One computation for all who ask at once, a bound in bytes, and nothing kept that was forgotten or failed."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from s1_protocol.errors import UnavailableError
from s1_tts.voices.cache import SingleFlightCache
from s1_tts.voices.futures import flatten, gather, resolved, then


def cache(limit_bytes: int = 100) -> SingleFlightCache[bytes]:
    return SingleFlightCache(limit_bytes, len)


def test_many_who_ask_at_once_start_one_computation() -> None:
    held = cache()
    started: list[Future[bytes]] = []
    gate = threading.Barrier(16)

    def start() -> Future[bytes]:
        started.append(Future())
        return started[-1]

    def ask() -> Future[bytes]:
        gate.wait()
        return held.ask("key", start)

    with ThreadPoolExecutor(16) as pool:
        asked = [future.result() for future in [pool.submit(ask) for _ in range(16)]]
    assert len(started) == 1
    started[0].set_result(b"value")
    assert [future.result(1) for future in asked] == [b"value"] * 16
    stats = held.stats()
    assert (stats.misses, stats.hits, stats.entries, stats.size_bytes) == (1, 15, 1, 5)


def test_the_least_used_gives_way_at_the_limit() -> None:
    held = cache(limit_bytes=10)
    for key in ("a", "b", "a", "c"):
        held.ask(key, lambda: resolved(b"12345"))
    assert held.peek("b") is None
    assert held.peek("a") == held.peek("c") == b"12345"
    assert (held.stats().size_bytes, held.stats().evictions) == (10, 1)


def test_what_is_larger_than_the_limit_is_handed_out_and_not_kept() -> None:
    held = cache(limit_bytes=4)
    assert held.ask("a", lambda: resolved(b"12345")).result() == b"12345"
    assert held.stats().entries == 0


def test_a_failure_reaches_all_and_is_not_kept() -> None:
    held = cache()
    failing: Future[bytes] = Future()
    first, second = held.ask("a", lambda: failing), held.ask("a", lambda: failing)
    failing.set_exception(ValueError("no"))
    for future in (first, second):
        with pytest.raises(ValueError, match="no"):
            future.result()
    assert held.ask("a", lambda: resolved(b"x")).result() == b"x"


def test_a_start_that_fails_is_a_failure() -> None:
    def start() -> Future[bytes]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache().ask("a", start).result()


def test_what_is_forgotten_while_it_is_computed_is_not_kept() -> None:
    held = cache()
    old: Future[bytes] = Future()
    asked = held.ask("a", lambda: old)
    held.forget("a")
    new = held.ask("a", lambda: resolved(b"new"))
    old.set_result(b"old")
    assert (asked.result(), new.result(), held.peek("a")) == (b"old", b"new", b"new")


def test_results_to_come_are_chained_without_waiting() -> None:
    numbers: list[Future[int]] = [Future(), Future()]
    total = then(gather(numbers), sum)
    nested: Future[Future[int]] = Future()
    flat = flatten(nested)
    numbers[1].set_result(2)
    assert not total.done()
    numbers[0].set_result(1)
    nested.set_result(total)
    assert flat.result() == 3


def test_a_cancelled_computation_says_that_the_server_stops() -> None:
    cancelled: Future[int] = Future()
    cancelled.cancel()
    cancelled.set_running_or_notify_cancel()
    for future in (then(cancelled, abs), gather([cancelled]), flatten(then(cancelled, resolved))):
        with pytest.raises(UnavailableError):
            future.result()
