"""How many jobs a worker speaks at once: as many as it may, and fewer where servers say that they are full."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self


class Pace:
    """Places for jobs. A refusal halves them, each job that is done makes a little more room again.

    Args:
        most: Places there ever are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._places = float(most)
        self._num_taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def num_places(self) -> int:
        """Places there are now."""
        return int(self._places)

    def place(self) -> "Place":
        """A place, to be waited for: ``async with pace.place() as place``."""
        return Place(self)

    async def take(self) -> None:
        """Wait for a place, first come, first served; to be followed by :meth:`give`."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()
            raise

    def give(self) -> None:
        """Give a place back."""
        self._num_taken -= 1
        self._hand_out()

    def slow_down(self) -> None:
        """Servers are full."""
        self._places = max(1.0, min(self._places, self._num_taken) / 2)

    def speed_up(self) -> None:
        """A job was done."""
        self._places = min(float(self._most), self._places + 1 / self._places)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._num_taken < self.num_places:
            turn = self._waiting.popleft()
            if not turn.done():
                self._num_taken += 1
                turn.set_result(None)


class Place:
    """One job's place among those that are spoken; given back at the end of the block, or earlier.

    Args:
        pace: Of the worker.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._is_held = False

    def give(self) -> None:
        """Give it back: the rest of the job asks nothing of the servers. A second time does nothing."""
        if self._is_held:
            self._is_held = False
            self._pace.give()

    async def __aenter__(self) -> Self:
        await self._pace.take()
        self._is_held = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give()
