"""A limit of time for waits that follow each other: one timer for all, where ``asyncio.timeout`` makes one for each."""

import asyncio
from types import TracebackType


class WaitedTooLongError(TimeoutError):
    """A wait was cut off.

    Args:
        limit_s: The longest that was allowed.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"waited for {limit_s:g} s")
        self.limit_s = limit_s


class WaitLimit:
    """``with limit:`` around each wait; one that takes longer is cut off.

    Args:
        limit_s: Longest wait; None: no limit.
    """

    def __init__(self, limit_s: float | None) -> None:
        self._limit_s = limit_s
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._since_s = 0.0
        self._num_cancelling = 0
        self._is_expired = False

    def __enter__(self) -> None:
        if self._limit_s is None:
            return
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        if self._task is None:
            raise RuntimeError("only a task can be cut off")
        self._num_cancelling = self._task.cancelling()
        self._since_s = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look, self._limit_s)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End a wait.

        Raises:
            WaitedTooLongError: it took too long.
        """
        task, self._task = self._task, None
        if not self._is_expired or task is None or self._limit_s is None:
            return
        self._is_expired = False
        # somebody else may have cancelled it too
        if task.uncancel() <= self._num_cancelling and kind is asyncio.CancelledError:
            raise WaitedTooLongError(self._limit_s) from error

    def close(self) -> None:
        """End the timer; no wait follows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, limit_s: float) -> None:
        """Cut off the wait that is under way, or look again when it would be time."""
        self._timer = None
        if self._task is None:
            return  # the next wait sets the timer
        loop = self._task.get_loop()
        left_s = self._since_s + limit_s - loop.time()
        if left_s > 0:
            self._timer = loop.call_later(left_s, self._look, limit_s)
            return
        self._is_expired = True
        self._task.cancel()
