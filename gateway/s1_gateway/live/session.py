"""One caller on our own WebSocket."""

import asyncio
from typing import Any, Final

from s1_client import ServiceClass
from s1_gateway.auth import Caller
from s1_gateway.bodies import parse_json
from s1_gateway.errors import GatewayError, Problem, Reason, invalid, problem_of
from s1_gateway.live.errors import error_object
from s1_gateway.live.schemas import LiveMessage
from s1_gateway.metrics import Door
from s1_gateway.pacing import Pace
from s1_gateway.sockets import Socket, SocketGoneError
from s1_gateway.speech import SpeechOrder
from s1_gateway.state import Gateway
from s1_gateway.turns import TextFeed, Turn

MAX_CONTEXTS: Final = 64
"""Of one socket; those that wait for their turn cost no server anything, but must not pile up."""


class LiveSink:
    """Sends a turn's sound as binary messages, which carry no name: turns of a socket speak one after the other.

    Args:
        socket: Where to.
        context_id: Its name, if the caller gave it one.
        told: What the caller wants to know of its sound.
    """

    def __init__(self, socket: Socket, context_id: str | None, told: dict[str, Any]) -> None:
        self._socket = socket
        self._name = {} if context_id is None else {"context_id": context_id}
        self._told = told

    async def begin(self) -> None:
        """Say whose sound follows, where callers use names."""
        if self._name:
            await self._socket.send_json({"start": True, **self._name, **self._told})

    async def sound(self, data: bytes) -> None:
        """Send a piece."""
        await self._socket.send_bytes(data)

    async def done(self, *, was_cut: bool) -> None:
        """Say that all has been sent, and whether the text was."""
        await self._socket.send_json({"done": True, **self._name, **({"cut": True} if was_cut else {})})

    async def failed(self, problem: Problem) -> None:
        """Say what went wrong."""
        await self._socket.send_json({"error": error_object(problem), **self._name})

    async def cancelled(self) -> None:
        """Say that nothing more comes."""
        await self._socket.send_json({"done": True, "cancelled": True, **self._name})


class LiveSession:
    """Contexts of one socket.

    Args:
        socket: The caller's.
        gateway: Where it came to.
        caller: Who it is.
    """

    def __init__(self, socket: Socket, gateway: Gateway, caller: Caller) -> None:
        self._socket = socket
        self._gateway = gateway
        self._caller = caller
        self._turns: list[tuple[str | None, Turn, LiveSink]] = []
        self._speaking = asyncio.Lock()

    async def run(self) -> None:
        """Serve the caller until he leaves; then nothing of his goes on."""
        try:
            async for message in self._socket.messages(self._is_busy):
                try:
                    await self._take(LiveMessage.model_validate(parse_json(message, "the message")))
                except SocketGoneError:
                    raise
                except Exception as error:  # one bad message costs the caller that message
                    await self._socket.send_json({"error": error_object(problem_of(error))})
        finally:
            for _, turn, _ in self._turns:
                await turn.cancel()

    def _is_busy(self) -> bool:
        self._turns = [each for each in self._turns if not each[1].is_over]
        return bool(self._turns)

    async def _take(self, message: LiveMessage) -> None:
        self._is_busy()
        if message.cancel:
            await self._cancel(message.context_id)
            return
        turn = self._open_turn(message.context_id)
        if turn is None:
            if message.text is None:
                raise invalid("text", "got none; allowed: a text, or flush or cancel of a context that is open")
            turn = await self._begin(message)
        if message.text is not None:
            turn.feed.put(message.text)
        if message.flush:
            turn.feed.flush()
        if not message.more and not (message.flush and message.text is None):
            turn.feed.end()

    def _open_turn(self, context_id: str | None) -> Turn | None:
        """The context of this name whose text goes on."""
        return next((turn for name, turn, _ in self._turns if name == context_id and not turn.feed.is_ended), None)

    async def _begin(self, message: LiveMessage) -> Turn:
        gateway = self._gateway
        if len(self._turns) >= MAX_CONTEXTS:
            raise GatewayError(Reason.RATE_LIMITED, f"all {MAX_CONTEXTS} contexts of this socket are in use")
        try:
            spec = message.sound()
        except ValueError as error:
            raise invalid("format", str(error)) from None
        order = SpeechOrder(
            text="",
            options=await gateway.voice_names.apply(message.voice, message.options(ServiceClass.CALL)),
            sound=spec,
            door=Door.LIVE,
            caller=self._caller,
        )
        sink = LiveSink(self._socket, message.context_id, {"format": spec.format, "sample_rate": spec.rate_hz})
        pace = Pace(ahead_s=gateway.settings.ahead_s, send_s=gateway.settings.send_s)
        feed = TextFeed(gateway.settings.max_text_characters)
        may_drop = message.when_slow == "drop"
        turn = Turn(gateway.speech, order, feed, self._socket, sink, pace, self._speaking, may_drop=may_drop)
        self._turns.append((message.context_id, turn, sink))
        return turn

    async def _cancel(self, context_id: str | None) -> None:
        chosen = [each for each in self._turns if context_id is None or each[0] == context_id]
        for _, turn, _ in chosen:
            await turn.cancel()
        for _, _, sink in chosen:
            await sink.cancelled()
