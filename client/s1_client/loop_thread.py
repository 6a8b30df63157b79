"""An event loop for callers that wait."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from s1_client.errors import ForkError

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread of its own, from its first use until it is stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._process: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has not been stopped."""
        return not self._loop.is_closed()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it; an interruption here cancels it.

        Raises:
            ForkError: the thread runs in the process that this one was forked from.
        """
        try:
            self._start()
        except ForkError:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call a function there, without waiting; nothing happens once the loop has been stopped."""
        if self.is_running:
            self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Cancel what still runs there, and end the thread."""
        if self._thread is not None:
            self.run(_cancel_others())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop.run_forever, name="s1-client", daemon=True)
                self._process = os.getpid()
                self._thread.start()
            elif self._process != os.getpid():
                raise ForkError


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
