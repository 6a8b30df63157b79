"""A caller's connection, guarded: nobody holds one open who sends half a request or takes nothing of an answer."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SEND_BUFFER_BYTES: Final = 2**18
"""Asked of the kernel for a connection; it takes twice as much. Left alone it takes 4 MB, which is 46 s of sound."""

LAST_LOOK_S: Final = 0.05


def guarded_protocol(handshake_s: float, send_s: float, is_leaving: Callable[[], bool]) -> type[HttpToolsProtocol]:
    """Make uvicorn's protocol with limits of time that it lacks.

    Args:
        handshake_s: Longest wait for a request's head to be whole.
        send_s: How long sent bytes may stay unread; the kernel then ends the connection, which a full buffer would
            else keep open for as long as the caller likes.
        is_leaving: Whether the next request had better go elsewhere, so that each answer closes its connection.
    """

    class GuardedProtocol(HttpToolsProtocol):
        """Ends a connection on which no request becomes whole."""

        _guard: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Begin to wait for a request."""
            super().connection_made(transport)
            # of a WebSocket too: it goes on with the same socket
            connected = transport.get_extra_info("socket")
            if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * send_s))
            self._watch()

        def data_received(self, data: bytes) -> None:
            """Take bytes; those of a next request must become whole in time too."""
            if self._guard is None and (self.cycle is None or self.cycle.response_complete):
                self._watch()
            super().data_received(data)

        def on_headers_complete(self) -> None:
            """A request is there."""
            self._unwatch()
            super().on_headers_complete()
            if is_leaving() and self.cycle is not None:
                self.cycle.keep_alive = False

        def connection_lost(self, exc: Exception | None) -> None:
            """Nothing is waited for any more."""
            self._unwatch()
            super().connection_lost(exc)

        def _watch(self) -> None:
            self._guard = self.loop.call_later(handshake_s, self._look_once_more)

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

    return GuardedProtocol
