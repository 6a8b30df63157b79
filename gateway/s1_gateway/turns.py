"""One answer on a socket: its text comes in pieces, its sound leaves at the pace of playback, it can be stopped."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final, Protocol

from s1_client import FLUSH
from s1_client.live_text import Piece
from s1_gateway.errors import Problem, invalid, problem_of
from s1_gateway.pacing import ListenerStalledError, Pace, PacedSender
from s1_gateway.sockets import Socket, SocketGoneError
from s1_gateway.speech import Speech, SpeechOrder
from s1_gateway.texts import check_unicode

MAX_LAG_S: Final = 0.5
"""How late a caller's sound may be before some of it is left out, where that is wanted."""


class TextFeed:
    """A text that is still being written: pieces are put at one end and read at the other.

    Args:
        max_characters: Of all pieces together.
    """

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._num_characters = 0
        self._pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._is_ended = False

    @property
    def is_ended(self) -> bool:
        """Whether no more comes."""
        return self._is_ended

    def put(self, text: str) -> None:
        """Append a piece.

        Raises:
            GatewayError: it is no Unicode text, or all pieces together are too long.
        """
        check_unicode("text", text)
        self._num_characters += len(text)
        if self._num_characters > self._max_characters:
            raise invalid("text", f"got {self._num_characters} characters in pieces; allowed: {self._max_characters}")
        if text:
            self._pieces.put_nowait(text)

    def flush(self) -> None:
        """Have what is pending said without waiting for the end of its sentence."""
        self._pieces.put_nowait(FLUSH)

    def end(self) -> None:
        """Say that no more comes."""
        if not self._is_ended:
            self._is_ended = True
            self._pieces.put_nowait(None)

    async def read(self) -> AsyncIterator[Piece]:
        """Give the pieces as they come."""
        while (piece := await self._pieces.get()) is not None:
            yield piece


class Sink(Protocol):
    """What becomes of a turn's sound and end, in a protocol's messages."""

    async def begin(self) -> None:
        """Its first sound is there."""

    async def sound(self, data: bytes) -> None:
        """Send a piece, at most as large as the pace says."""

    async def done(self, *, was_cut: bool) -> None:
        """All of it has been sent."""

    async def failed(self, problem: Problem) -> None:
        """It ends here, and is not whole."""


async def speak_in_turn(
    socket: Socket,
    lock: asyncio.Lock | None,
    speak: Callable[[AsyncExitStack], Awaitable[None]],
    fail: Callable[[Problem], Awaitable[None]],
) -> None:
    """Speak on a socket, and tell its caller what goes wrong, if he is still there.

    Args:
        socket: Ended where its caller takes nothing any more.
        lock: Held while it speaks; None: nobody waits.
        speak: Speaks; what it puts on the stack is closed before anybody else may speak.
        fail: Tells the caller that it ends here.
    """
    try:
        async with AsyncExitStack() as stack:
            if lock is not None:
                await stack.enter_async_context(lock)
            try:
                await speak(stack)
            except ListenerStalledError:
                socket.abort()
            except SocketGoneError:
                raise
            except Exception as error:  # the caller is told what problem_of lets him know
                await fail(problem_of(error))
    except SocketGoneError:
        pass  # the session ends by itself


class Turn:
    """An answer under way; begins when it is made.

    Args:
        speech: Makes the sound.
        order: What is asked for; its text is replaced by the feed's.
        feed: Where its text comes from.
        socket: Where it goes.
        sink: In which messages.
        pace: How fast.
        order_lock: Held while it speaks, where turns must not speak at the same time; None: they may.
        may_drop: Whether sound is left out for a caller who takes it too slowly, instead of being late ever more.
    """

    def __init__(
        self,
        speech: Speech,
        order: SpeechOrder,
        feed: TextFeed,
        socket: Socket,
        sink: Sink,
        pace: Pace,
        order_lock: asyncio.Lock | None = None,
        *,
        may_drop: bool = False,
    ) -> None:
        self.feed = feed
        self._speech = speech
        self._order = replace(order, text=feed.read())
        self._socket = socket
        self._sink = sink
        self._pace = pace
        self._may_drop = may_drop
        self._is_over = False
        self._task = asyncio.create_task(speak_in_turn(socket, order_lock, self._speak, self._fail))

    @property
    def is_over(self) -> bool:
        """Whether its end has been told, after which the caller may use its name for another."""
        return self._is_over or self._task.done()

    async def cancel(self) -> None:
        """Stop it: when this returns, no more of its sound is sent and the server has been told."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def wait(self) -> None:
        """Wait until it is over."""
        await asyncio.wait({self._task})

    async def _fail(self, problem: Problem) -> None:
        self._speech.count_problem(self._order, problem)
        self._is_over = True
        await self._sink.failed(problem)

    async def _speak(self, stack: AsyncExitStack) -> None:
        answer = await self._speech.begin(replace(self._order, asked_s=time.perf_counter()))
        stack.push_async_callback(answer.aclose)
        await self._sink.begin()
        sender = PacedSender(self._sink.sound, self._pace)
        lag_s = 0.0
        async for sound in answer.pieces():
            ahead_s, begun_s = sender.ahead_s, time.monotonic()
            await sender.send(sound.data, sound.duration_s)
            # sending waits for the clock, or for a caller who takes the sound later than it is played
            lag_s += max(0.0, time.monotonic() - begun_s - ahead_s)
            if self._may_drop and lag_s > MAX_LAG_S:
                answer.leave_out(lag_s)
                lag_s = 0.0
        self._is_over = True
        await self._sink.done(was_cut=answer.was_cut)
