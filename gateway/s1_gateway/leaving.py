"""How the gateway leaves: for a while it still takes what comes, then only what is under way goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Leaving:
    """Where the gateway is on its way out; on its event loop, but for :meth:`begin`."""

    def __init__(self) -> None:
        self._is_begun = False
        self._is_shut = False
        self._told: set[Callable[[], None]] = set()

    @property
    def is_begun(self) -> bool:
        """Whether it is about to end: it is not ready any more, and every answer closes its connection."""
        return self._is_begun

    @property
    def is_shut(self) -> bool:
        """Whether nobody gets in any more."""
        return self._is_shut

    def begin(self) -> None:
        """Be about to end. A signal's handler may call it."""
        self._is_begun = True

    def shut(self) -> None:
        """Let nobody in any more, and tell those who wait for messages of a caller."""
        self._is_shut = True
        for tell in list(self._told):
            tell()

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have it told to somebody, meanwhile, when the gateway is shut.

        Args:
            tell: Called once, on the event loop.
        """
        self._told.add(tell)
        try:
            yield
        finally:
            self._told.discard(tell)
