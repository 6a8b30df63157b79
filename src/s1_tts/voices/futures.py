"""Go on with results to come without a thread that waits for them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from s1_protocol.errors import UnavailableError

T = TypeVar("T")
R = TypeVar("R")


def resolved(value: T) -> Future[T]:
    """Make a result that is there already."""
    future: Future[T] = Future()
    future.set_result(value)
    return future


def stopped_or_failed(done: Future[T]) -> BaseException | None:
    """Why a computation that ended has no result: its error, or that it was cancelled by a shutdown."""
    return UnavailableError("the server is shutting down") if done.cancelled() else done.exception()


def then(future: Future[T], function: Callable[[T], R]) -> Future[R]:
    """Apply a quick function to a result once it is there; failures of either pass through."""
    after: Future[R] = Future()

    def go_on(done: Future[T]) -> None:
        error = stopped_or_failed(done)
        if error is not None:
            after.set_exception(error)
            return
        try:
            value = function(done.result())
        except Exception as failure:
            after.set_exception(failure)
        else:
            after.set_result(value)

    future.add_done_callback(go_on)
    return after


def flatten(future: Future[Future[T]]) -> Future[T]:
    """Make one result of a result that is itself still to come."""
    flat: Future[T] = Future()

    def take(inner: Future[T]) -> None:
        error = stopped_or_failed(inner)
        if error is None:
            flat.set_result(inner.result())
        else:
            flat.set_exception(error)

    def unwrap(outer: Future[Future[T]]) -> None:
        error = stopped_or_failed(outer)
        if error is None:
            outer.result().add_done_callback(take)
        else:
            flat.set_exception(error)

    future.add_done_callback(unwrap)
    return flat


def gather(futures: Sequence[Future[T]]) -> Future[tuple[T, ...]]:
    """Make one result of several, in order, once all have ended; the first failure among them if there is one.

    Args:
        futures: At least one.
    """
    gathered: Future[tuple[T, ...]] = Future()
    lock = threading.Lock()
    num_open = len(futures)

    def count(_done: Future[T]) -> None:
        nonlocal num_open
        with lock:
            num_open -= 1
            is_open = num_open > 0
        if is_open:
            return
        errors = [error for error in map(stopped_or_failed, futures) if error is not None]
        if errors:
            gathered.set_exception(errors[0])
        else:
            gathered.set_result(tuple(future.result() for future in futures))

    for future in futures:
        future.add_done_callback(count)
    return gathered
