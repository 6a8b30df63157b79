"""Whose sound is encoded next: nobody's first sound waits for what others hear later."""

import asyncio


class EncodingTurns:
    """Lets later pieces be encoded one at a time, and whatever else came to the loop go before each of them."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a turn; it lasts until its taker waits for anything again."""
        async with self._lock:
            await asyncio.sleep(0)
