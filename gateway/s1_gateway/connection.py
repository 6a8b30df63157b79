"""A caller's connection, guarded: nobody holds one open who sends half a request or takes nothing of an answer.

One that is kept for a next request is closed only by an answer that says so, or when no next one is to be expected.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from s1_gateway.offers import OfferIgnoringParser

SEND_BUFFER_BYTES: Final = 2**18
"""Asked of the kernel for a connection; it takes twice as much. Left alone it takes 4 MB, which is 46 s of sound."""

LAST_LOOK_S: Final = 0.05


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits of time that it lacks, and an end that takes no request from anybody.

    :func:`guarded_protocol` makes the class that is used.
    """

    handshake_s: ClassVar[float]
    send_s: ClassVar[float]
    is_leaving: ClassVar[Callable[[], bool]]

    parser: OfferIgnoringParser

    _guard: asyncio.TimerHandle | None = None
    _idle_since_s: float | None = None

    def __init__(self, *args: Any, **options: Any) -> None:  # what uvicorn gives it
        super().__init__(*args, **options)
        self.parser = OfferIgnoringParser(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        # of a WebSocket too: it goes on with the same socket
        connected = transport.get_extra_info("socket")
        if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * self.send_s))
        self._idle_since_s = time.monotonic()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a next request must become whole in time too."""
        self._idle_since_s = None
        if self._guard is None and (self.cycle is None or self.cycle.response_complete):
            self._watch()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """A request is there."""
        if self.parser.is_offer:
            return  # it comes once more
        self._unwatch()
        super().on_headers_complete()
        if type(self).is_leaving():
            self._close_with_answer()

    def on_message_complete(self) -> None:
        """A request is whole."""
        if not self.parser.is_offer:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer has been given; the connection may be kept."""
        super().on_response_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._idle_since_s = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._unwatch()
        super().connection_lost(exc)

    def leave(self, idle_s: float) -> None:
        """Close as soon as no caller can lose a request by it.

        An answer whose head is still to be sent says that it closes the connection. One whose head has promised to keep
        it does so: its caller may be sending the next request just now.

        Args:
            idle_s: A connection on which nothing came for so long is closed.
        """
        self._close_with_answer()
        if self._idle_since_s is not None and time.monotonic() - self._idle_since_s >= idle_s:
            self.transport.close()

    def _close_with_answer(self) -> None:
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def _watch(self) -> None:
        self._guard = self.loop.call_later(self.handshake_s, self._look_once_more)

    def _look_once_more(self) -> None:
        # a loop that was busy runs late timers before it reads what has long been there
        self._guard = self.loop.call_later(LAST_LOOK_S, self._give_up)

    def _unwatch(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def _give_up(self) -> None:
        transport: Any = self.transport
        transport.abort()


def guarded_protocol(handshake_s: float, send_s: float, is_leaving: Callable[[], bool]) -> type[GuardedProtocol]:
    """Make the protocol of a gateway.

    Args:
        handshake_s: Longest wait for a request's head to be whole.
        send_s: How long sent bytes may stay unread; the kernel then ends the connection, which a full buffer would
            else keep open for as long as the caller likes.
        is_leaving: Whether the next request had better go elsewhere, so that each answer closes its connection.
    """
    told = {"handshake_s": handshake_s, "send_s": send_s, "is_leaving": staticmethod(is_leaving)}
    return type("GatewayProtocol", (GuardedProtocol,), told)
