"""A worker's sign of life for health checks without a port."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_EVERY_S: Final = 5.0


@contextmanager
def showing_life(path: Path) -> Iterator[None]:
    """Touch a file again and again, as long as the running loop goes on.

    Args:
        path: Which; it is removed in the end.

    Raises:
        OSError: it cannot be written.
    """
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def touch() -> None:
        path.touch()
        timers[:] = [loop.call_later(_EVERY_S, touch)]

    touch()
    try:
        yield
    finally:
        timers[0].cancel()
        path.unlink(missing_ok=True)
