"""What becomes of sound and ends on Fish's WebSocket: ``audio`` and ``finish``."""

import time

from s1_gateway.errors import GatewayError, Problem, Reason
from s1_gateway.fish.errors import message_of
from s1_gateway.fish.packing import pack
from s1_gateway.sockets import Socket


class FishSink:
    """Sends one ``start``'s sound and its end.

    Args:
        socket: Where to.
        may_be_cut: Whether the caller chose a greatest length.

    Attributes:
        sent_s: When its last sound was sent, on ``time.monotonic``.
    """

    def __init__(self, socket: Socket, *, may_be_cut: bool) -> None:
        self._socket = socket
        self._may_be_cut = may_be_cut
        self.sent_s = time.monotonic()

    async def begin(self) -> None:
        """Nothing is told."""

    async def sound(self, data: bytes) -> None:
        """Send a piece."""
        self.sent_s = time.monotonic()
        await self._socket.send_bytes(pack({"event": "audio", "audio": data}))

    async def said(self, sentence: str, start_s: float, end_s: float) -> None:
        """Nothing is told."""

    async def done(self, *, was_cut: bool) -> None:
        """Say that all has been sent; the protocol has no other word for what is not whole than an error."""
        if was_cut and not self._may_be_cut:
            fault = "the speech reached its greatest length before the text was said"
            await self.failed(GatewayError(Reason.CUT, fault).problem)
        else:
            await self._socket.send_bytes(pack({"event": "finish", "reason": "stop"}))

    async def failed(self, problem: Problem) -> None:
        """Say what went wrong. Clients know no other reasons than ``stop`` and ``error``; some log the message."""
        await self._socket.send_bytes(pack({"event": "finish", "reason": "error", "message": message_of(problem)}))
