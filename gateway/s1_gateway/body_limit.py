"""No request body is read further than the limit, nor waited for longer than the limit."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s1_gateway.errors import GatewayError, Reason


class BodyLimit:
    """Counts a body while it comes.

    Args:
        app: What is called.
        max_bytes: Bytes a body may have.
        idle_s: Longest wait for the next piece of a body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, idle_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._idle_s = idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; reading its body raises ``GatewayError`` when it is too large or too slow."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        came = 0
        is_whole = False

        async def receive_counting() -> Message:
            nonlocal came, is_whole
            if is_whole:
                return await receive()
            if declared.isdecimal() and int(declared) > self._max_bytes:
                raise self._too_large()
            try:
                async with asyncio.timeout(self._idle_s):
                    message = await receive()
            except TimeoutError:
                fault = f"the body did not go on for {self._idle_s:g} s"
                raise GatewayError(Reason.SLOW, fault) from None
            came += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if came > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, receive_counting, send)

    def _too_large(self) -> GatewayError:
        return GatewayError(Reason.TOO_LARGE, f"the body is larger than the allowed {self._max_bytes} bytes")
