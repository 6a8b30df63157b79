"""One caller on Cartesia's WebSocket."""

import asyncio
import secrets
from typing import Any, Final

from s1_client import Retry
from s1_gateway.auth import Caller
from s1_gateway.bodies import parse_json
from s1_gateway.cartesia.errors import error_message
from s1_gateway.cartesia.schemas import CartesiaMessage
from s1_gateway.cartesia.sink import CartesiaSink
from s1_gateway.errors import GatewayError, Reason, invalid, problem_of
from s1_gateway.metrics import Door
from s1_gateway.pacing import Pace
from s1_gateway.sentence_turns import SentenceTurn
from s1_gateway.sockets import Socket, SocketGoneError
from s1_gateway.speech import SpeechOrder
from s1_gateway.state import Gateway
from s1_protocol.text.cleaning import is_speakable

PATIENCE: Final = Retry(max_attempts=12, first_delay_s=0.1, max_delay_s=1.0)
"""Some 6 s for a full server: LiveKit waits for 10."""

PIECE_BYTES: Final = 47_000
"""Of sound in a message, which in base64 and JSON then stays under 64 KiB."""

MAX_CONTEXTS: Final = 64
"""Of one socket."""


class Context:
    """A text that is said under a name.

    Args:
        turn: What says it.
        sink: In which messages.
        buffer_s: How long text may wait for more of its sentence; 0: each message is said as it is.
    """

    def __init__(self, turn: SentenceTurn, sink: CartesiaSink, buffer_s: float) -> None:
        self.turn = turn
        self.sink = sink
        self._buffer_s = buffer_s
        self._timer: asyncio.TimerHandle | None = None

    def put(self, text: str) -> None:
        """Append a piece of text."""
        self.turn.put(text)
        if not self._buffer_s:
            self.turn.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._buffer_s, self._flush_late)

    def end(self) -> None:
        """Say what is pending; no more comes."""
        self._stop_timer()
        self.turn.end()

    async def cancel(self) -> None:
        """Stop it: when this returns, no more of its sound is sent and the server has been told."""
        self._stop_timer()
        await self.turn.cancel()

    def _flush_late(self) -> None:
        self._timer = None
        self.turn.flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class CartesiaSession:
    """The contexts of one socket, which speak at the same time.

    Args:
        socket: The caller's.
        gateway: What makes sound.
        caller: Who it is.
    """

    def __init__(self, socket: Socket, gateway: Gateway, caller: Caller) -> None:
        self._socket = socket
        self._gateway = gateway
        self._caller = caller
        self._contexts: dict[str, Context] = {}

    async def run(self) -> None:
        """Serve the caller until he leaves; then nothing of his goes on."""
        try:
            async for message in self._socket.messages(self._is_busy):
                content: Any = None
                try:
                    content = parse_json(message, "the message")
                    await self._take(CartesiaMessage.model_validate(content))
                except SocketGoneError:
                    raise
                except Exception as error:  # one bad message costs the caller the context that it belongs to
                    await self._give_up(error, content)
        finally:
            for context in self._contexts.values():
                await context.cancel()

    def _is_busy(self) -> bool:
        self._contexts = {name: context for name, context in self._contexts.items() if not context.turn.is_over}
        return any(context.turn.is_waiting for context in self._contexts.values())

    async def _take(self, message: CartesiaMessage) -> None:
        self._is_busy()
        if message.cancel:
            await self._cancel(message.context_id)
            return
        text = message.transcript or ""
        context = self._contexts.get(message.context_id or "")
        if context is not None and context.turn.is_ended:
            if is_speakable(text):
                raise invalid("context_id", "its text has ended; allowed: another one")
            return  # Pipecat may end a context twice
        if context is None:
            if message.transcript is None:
                raise invalid("transcript", "got none; allowed: a text, or flush or cancel of a context that is open")
            context = await self._begin(message)
        if text:
            context.put(text)
        if message.flush:
            context.turn.flush(context.sink.flushed)
        if not message.more and not message.flush:
            context.end()

    async def _cancel(self, context_id: str | None) -> None:
        if context_id is None:
            raise invalid("context_id", "got none; allowed: that of the context to be cancelled")
        context = self._contexts.pop(context_id, None)
        if context is not None:  # one that has ended a moment ago needs none
            await context.cancel()
            await context.sink.done(was_cut=False)

    async def _give_up(self, error: Exception, content: Any) -> None:
        named = content.get("context_id") if isinstance(content, dict) else None
        context_id = named if isinstance(named, str) else None
        if context_id is not None and (context := self._contexts.pop(context_id, None)) is not None:
            await context.cancel()
        await self._socket.send_json(error_message(problem_of(error), context_id))

    async def _begin(self, message: CartesiaMessage) -> Context:
        gateway, settings = self._gateway, self._gateway.settings
        if len(self._contexts) >= MAX_CONTEXTS:
            raise GatewayError(Reason.RATE_LIMITED, f"all {MAX_CONTEXTS} contexts of this socket are in use")
        order = SpeechOrder(
            text="",
            options=await gateway.voice_names.apply(message.voice_id, message.call_options()),
            sound=message.sound(),
            door=Door.CARTESIA,
            caller=self._caller,
            retry=PATIENCE,
        )
        context_id = message.context_id or secrets.token_hex(16)
        sink = CartesiaSink(self._socket, context_id, tells_times=bool(message.add_timestamps))
        pace = Pace(ahead_s=settings.ahead_s, send_s=settings.send_s, piece_bytes=PIECE_BYTES)
        turn = SentenceTurn(gateway.speech, order, self._socket, sink, pace, settings.max_text_characters)
        context = Context(turn, sink, message.buffer_s)
        self._contexts[context_id] = context
        return context
