"""An event loop in a thread of its own: what is to be done is plain coroutines, what waits runs in other threads."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from s1_protocol.errors import UnavailableError

T = TypeVar("T")
P = ParamSpec("P")


class _Begun(Future[T]):
    """What a task gives. To cancel it is to ask the task to end; it is done, cancelled or not, when the task has ended.

    Args:
        loop: Where the task runs.
        work: The task.
        ended: Called when it has ended, before anybody is told; it need not have begun.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], ended: Callable[[], None]
    ) -> None:
        super().__init__()
        self._loop = loop
        self._ended = ended
        self._task: asyncio.Task[T] | None = None
        loop.call_soon_threadsafe(self._start, work)

    def cancel(self) -> bool:
        """Ask the task to end; a thread that is at work for it is not stopped."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, so it has ended
            self._loop.call_soon_threadsafe(self._stop)
        return False

    def _start(self, work: Coroutine[Any, Any, T]) -> None:
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._finish)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _finish(self, task: asyncio.Task[T]) -> None:
        self._ended()
        if task.cancelled():
            super().cancel()
        elif error := task.exception():
            self.set_exception(error)
        else:
            self.set_result(task.result())


class TaskLoop:
    """Runs a bounded number of tasks at once. Slow ones have a bound of their own, so that they refuse no quick one.

    Args:
        name: Name of the loop's thread.
        max_open: Tasks of each kind open at once; one more is refused.
    """

    def __init__(self, name: str, max_open: int) -> None:
        self._max_open = max_open
        self._lock = threading.Lock()
        self._is_closing = False
        self._num_open = dict.fromkeys((False, True), 0)
        self._num_refused = 0
        self._executors: list[ThreadPoolExecutor] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def num_open(self) -> int:
        """Tasks that have not ended."""
        return sum(self._num_open.values())

    @property
    def num_refused(self) -> int:
        """Tasks refused because too many were open."""
        return self._num_refused

    def threads(self, name: str, count: int) -> ThreadPoolExecutor:
        """Make threads for :meth:`on`; they end with the loop."""
        self._executors.append(ThreadPoolExecutor(count, name))
        return self._executors[-1]

    def begin(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a quick task; never waits.

        Raises:
            UnavailableError: too many are open, or the loop is closing.
        """
        return self._begin(work(*args, **kwargs), is_slow=False)

    def begin_slow(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a slow task; else as :meth:`begin`."""
        return self._begin(work(*args, **kwargs), is_slow=True)

    def _begin(self, work: Coroutine[Any, Any, T], *, is_slow: bool) -> Future[T]:
        try:
            self._count_in(is_slow=is_slow)
        except UnavailableError:
            work.close()  # it has not begun
            raise
        return _Begun(self._loop, work, lambda: self._count_out(is_slow=is_slow))

    def _count_in(self, *, is_slow: bool) -> None:
        with self._lock:
            if self._is_closing:
                raise _stopping()
            if self._num_open[is_slow] >= self._max_open:
                self._num_refused += 1
                raise UnavailableError(f"{self._max_open} requests wait for voices already; try again later")
            self._num_open[is_slow] += 1

    def _count_out(self, *, is_slow: bool) -> None:
        with self._lock:
            self._num_open[is_slow] -= 1

    async def on(self, threads: ThreadPoolExecutor, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that waits or computes; for tasks of this loop. What has not begun is dropped with its task.

        Raises:
            UnavailableError: the loop is closing.
        """
        with self._lock:
            if self._is_closing:
                raise _stopping()
            running = threads.submit(action, *args, **kwargs)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError as error:
            if self._is_closing:
                raise _stopping() from error
            raise

    def close(self) -> None:
        """Let end what the threads are at; all else fails with ``UnavailableError``. A second call does nothing."""
        with self._lock:
            self._is_closing = True
        for executor in self._executors:
            executor.shutdown(wait=True, cancel_futures=True)
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(_others_ended(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


async def to_its_end(work: Awaitable[T]) -> T:
    """Do something that may not be left half done, although the task is cancelled."""
    doing = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            if doing.done():
                raise


async def _others_ended() -> None:
    """Wait until nothing else is left to do on the running event loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


def _stopping() -> UnavailableError:
    return UnavailableError("the server is shutting down")
