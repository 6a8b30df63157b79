"""How many jobs a worker speaks at once: as many as it may, and fewer where servers say that they are full."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Pace:
    """Places for jobs. A refusal halves them, each job that is done makes a little more room again.

    Args:
        most: Places there ever are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._places = float(most)
        self._num_taken = 0
        self._changed = asyncio.Condition()

    @property
    def num_places(self) -> int:
        """Places there are now."""
        return int(self._places)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """Wait for a place and hold it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._num_taken < self.num_places)
            self._num_taken += 1
        try:
            yield
        finally:
            async with self._changed:
                self._num_taken -= 1
                self._changed.notify_all()

    def slow_down(self) -> None:
        """Servers are full."""
        self._places = max(1.0, min(self._places, self._num_taken) / 2)

    def speed_up(self) -> None:
        """A job was done."""
        self._places = min(float(self._most), self._places + 1 / self._places)
