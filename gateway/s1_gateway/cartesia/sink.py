"""What becomes of a context's sound and ends in Cartesia's messages; there are no others, as Pipecat refuses them."""

import base64
import time
from typing import Any

from s1_gateway.cartesia.errors import error_message
from s1_gateway.errors import Problem
from s1_gateway.sockets import Socket

UNDER_WAY = 206
"""Status of every message or event but the last."""


class StepClock:
    """Tells how long each piece of sound took, which LiveKit's Node plugin wants to see, or it hears nothing."""

    def __init__(self) -> None:
        self._before_s = time.perf_counter()

    def step_ms(self) -> float:
        """Milliseconds since it was asked last, or since the beginning."""
        now_s = time.perf_counter()
        step_ms, self._before_s = round(1000 * (now_s - self._before_s), 3), now_s
        return step_ms


class CartesiaSink:
    """Sends one context's messages.

    Args:
        socket: Where to.
        context_id: Whose.
        tells_times: Whether the caller wants to know when words are heard. Nobody knows that of words, so each sentence
            stands as one.
    """

    def __init__(self, socket: Socket, context_id: str, *, tells_times: bool) -> None:
        self._socket = socket
        self._context_id = context_id
        self._tells_times = tells_times
        self._flush_id = 0
        self._clock = StepClock()

    async def begin(self) -> None:
        """Nothing is told."""

    async def sound(self, data: bytes) -> None:
        """Send a piece."""
        flush = {"flush_id": self._flush_id} if self._flush_id else {}
        told = {"step_time": self._clock.step_ms(), "done": False, "status_code": UNDER_WAY, **flush}
        await self._send("chunk", data=base64.b64encode(data).decode(), **told)

    async def said(self, sentence: str, start_s: float, end_s: float) -> None:
        """Say when a sentence was heard, if that is wanted."""
        if self._tells_times:
            times = {"words": [sentence], "start": [round(start_s, 4)], "end": [round(end_s, 4)]}
            await self._send("timestamps", word_timestamps=times, done=False, status_code=UNDER_WAY)

    async def flushed(self) -> None:
        """Say that all before a flush has been sent."""
        await self._send("flush_done", flush_id=self._flush_id, flush_done=True, done=False, status_code=UNDER_WAY)
        self._flush_id += 1

    async def done(self, *, was_cut: bool) -> None:
        """Say that nothing more comes."""
        await self._send("done", done=True, status_code=200)

    async def failed(self, problem: Problem) -> None:
        """Say what went wrong."""
        await self._socket.send_json(error_message(problem, self._context_id))

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._socket.send_json({"type": kind, "context_id": self._context_id, **fields})
