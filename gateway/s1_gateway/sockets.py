"""A WebSocket with limits of time and size, whatever protocol is spoken on it."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from s1_gateway.auth import Caller, Scope
from s1_gateway.errors import GatewayError, Problem, Reason, Render, problem_of
from s1_gateway.leaving import Leaving
from s1_gateway.metrics import Door
from s1_gateway.state import Gateway, gateway_of

log = logging.getLogger(__name__)

GOING_AWAY: Final = 1001
TOO_BIG: Final = 1009
SERVICE_RESTART: Final = 1012

LEAVING_LOOK_S: Final = 0.1
"""Time between two looks whether a socket is still busy, where the gateway is about to end."""


class SocketGoneError(GatewayError):
    """The caller closed the socket, or takes nothing any more."""

    def __init__(self) -> None:
        super().__init__(Reason.GONE, "the caller left")


class Socket:
    """One open WebSocket; its messages are read by one task, and any task may send.

    Args:
        websocket: Accepted.
        send_s: A caller who takes nothing for this long is given up.
        idle_s: The socket is closed when for so long nothing came and nothing was under way.
        leaving: The socket is closed when nobody gets in any more and nothing is under way.
    """

    def __init__(self, websocket: WebSocket, send_s: float, idle_s: float, leaving: Leaving) -> None:
        self._websocket = websocket
        self._send_s = send_s
        self._idle_s = idle_s
        self._leaving = leaving
        self._waiting: asyncio.Timeout | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._is_aborted = False

    async def messages(self, is_busy: Callable[[], bool]) -> AsyncGenerator[str | bytes]:
        """Read messages until the caller leaves.

        Args:
            is_busy: Whether something is under way, so that silence of the caller is no idling.
        """
        self._reader = asyncio.current_task()
        try:
            while True:
                try:
                    message = await self._next_message()
                except TimeoutError:
                    if is_busy():
                        continue
                    if self._leaving.is_shut:
                        await self.close(SERVICE_RESTART, "this gateway is about to end; connect again")
                    else:
                        await self.close(GOING_AWAY, f"idle for {self._idle_s:g} s")
                    return
                if message["type"] == "websocket.disconnect":
                    return
                yield message.get("bytes") or message.get("text") or ""
        except asyncio.CancelledError:
            if not self._is_aborted:
                raise
            if self._reader is not None:
                self._reader.uncancel()

    def look_up(self) -> None:
        """Wait no longer for a message than it takes to see whether something is under way."""
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def _next_message(self) -> dict[str, Any]:
        """Wait for a message.

        Raises:
            TimeoutError: none came for so long that it is time to see whether anything is under way.
        """
        wait_s = LEAVING_LOOK_S if self._leaving.is_shut else self._idle_s
        try:
            async with asyncio.timeout(wait_s) as self._waiting:
                return dict(await self._websocket.receive())
        finally:
            self._waiting = None

    async def send_json(self, message: Any) -> None:
        """Send a message as JSON text."""
        await self._send({"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))})

    async def send_bytes(self, message: bytes) -> None:
        """Send a binary message."""
        await self._send({"type": "websocket.send", "bytes": message})

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, saying why."""
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def abort(self) -> None:
        """End without a word: the caller takes none."""
        if self._reader is not None and not self._is_aborted:
            self._is_aborted = True
            self._reader.cancel()

    async def _send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            SocketGoneError: nobody takes it.
        """
        if self._is_aborted or self._websocket.application_state is WebSocketState.DISCONNECTED:
            raise SocketGoneError
        try:
            async with asyncio.timeout(self._send_s) as limit:
                await self._websocket.send(message)
        except WebSocketDisconnect:
            raise SocketGoneError from None
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning("a caller took no message for %g s and is cut off", self._send_s)
            self.abort()
            raise SocketGoneError from None


Session = Callable[[Socket, Gateway, Caller], Awaitable[None]]
"""Speaks a protocol on a socket until the caller leaves."""


async def serve_socket(websocket: WebSocket, door: Door, render: Render, session: Session) -> None:
    """Let a caller in, or refuse the handshake in the protocol's envelope, and run the session.

    Args:
        websocket: Not accepted yet.
        door: The protocol.
        render: Its envelope.
        session: What is done on the socket.
    """
    gateway = gateway_of(websocket)
    websocket.state.door = door
    try:
        caller = gateway.caller_of(websocket, may_be_in_query=True)
        caller.need(Scope.SPEAK)
        gateway.limits.admit_socket()
    except GatewayError as error:
        await _refuse(websocket, error.problem, render)
        return
    try:
        await websocket.accept()
        with gateway.metrics.sockets.labels(door).track_inprogress():
            socket = Socket(websocket, gateway.settings.send_s, gateway.settings.idle_s, gateway.leaving)
            with gateway.leaving.telling(socket.look_up):
                await session(socket, gateway, caller)
    except SocketGoneError:
        pass  # who left is told nothing
    except Exception as error:  # a fault of ours ends one socket, and its caller learns the id under which it is logged
        problem = problem_of(error)
        websocket.state.problem = problem
        if websocket.application_state is WebSocketState.CONNECTED:
            await websocket.close(1011, problem.message[:120])
    finally:
        gateway.limits.release_socket()


async def _refuse(websocket: WebSocket, problem: Problem, render: Render) -> None:
    websocket.state.problem = problem
    await websocket.send_denial_response(render(problem))
