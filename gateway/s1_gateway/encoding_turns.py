"""Whose sound is encoded next: nobody's first sound waits for what others hear later."""

import asyncio
from typing import Final

_STEPS: Final = 4
"""Turns of the loop before each later piece. A first sound takes five on its way through the gateway: with one, each of
them would wait for another piece."""


class EncodingTurns:
    """Lets later pieces be encoded one at a time, and whatever else came to the loop go before each of them."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a turn; it lasts until its taker waits for anything again."""
        async with self._lock:
            for _ in range(_STEPS):
                await asyncio.sleep(0)
