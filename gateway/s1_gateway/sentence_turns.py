"""A text on a socket, said sentence by sentence: it may go on for hours and holds a place only while it is said."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final, Protocol

from s1_client.live_speech import with_seed
from s1_client.live_text import SentenceCutter
from s1_gateway.encoding import SoundSpec
from s1_gateway.errors import Problem, invalid
from s1_gateway.pacing import Pace, PacedSender
from s1_gateway.sockets import Socket
from s1_gateway.speech import Answer, Speech, SpeechOrder
from s1_gateway.texts import check_unicode
from s1_gateway.turns import Sink, speak_in_turn

MAX_SENTENCES_UNDER_WAY: Final = 2
"""The one that is heard and the next one, so that it is there when the first one ends."""

Mark = Callable[[], Awaitable[None]]
"""Done when all before it has been sent."""


class SentenceSink(Sink, Protocol):
    """A sink that wants to know when each sentence was heard."""

    async def said(self, sentence: str, start_s: float, end_s: float) -> None:
        """All sound of a sentence has been sent.

        Args:
            sentence: Its text.
            start_s: Where it begins in the sound of the whole text, in seconds.
            end_s: Where it ends.
        """


@dataclass(frozen=True)
class _Prepared:
    sentence: str
    answer: Answer


class SentenceTurn:
    """Says a text that is still being written; for formats whose bytes can simply follow each other.

    Args:
        speech: Makes the sound.
        order: What is asked for; its text is replaced by each sentence.
        socket: Where it goes.
        sink: In which messages.
        pace: How fast.
        max_waiting_characters: Text that was taken and is not said yet, at most.
        lock: Held while it speaks, where turns must not speak at the same time; None: they may.
        later_sound: Of all sentences but the first, where only the first is to have a header.
    """

    def __init__(
        self,
        speech: Speech,
        order: SpeechOrder,
        socket: Socket,
        sink: SentenceSink,
        pace: Pace,
        max_waiting_characters: int,
        *,
        lock: asyncio.Lock | None = None,
        later_sound: SoundSpec | None = None,
    ) -> None:
        self._speech = speech
        # without a seed, every sentence would have a voice of its own
        self._order = replace(order, options=with_seed(order.options))
        self._later_order = replace(self._order, sound=later_sound or order.sound)
        self._socket = socket
        self._sink = sink
        self._sender = PacedSender(sink.sound, pace)
        self._max_waiting_characters = max_waiting_characters
        self._lock = lock
        self._cutter = SentenceCutter()
        self._asked: asyncio.Queue[str | Mark | None] = asyncio.Queue()
        self._ready: asyncio.Queue[_Prepared | Mark | Exception | None] = asyncio.Queue()
        self._slots = asyncio.Semaphore(MAX_SENTENCES_UNDER_WAY)
        self._num_waiting_characters = 0
        self._num_waiting = 0
        self._said_s = 0.0
        self._is_ended = False
        self._is_over = False
        self._task = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether its end has been told, after which the caller may use its name for another."""
        return self._is_over or self._task.done()

    @property
    def is_ended(self) -> bool:
        """Whether no more text comes."""
        return self._is_ended

    @property
    def is_waiting(self) -> bool:
        """Whether there are whole sentences that are not said yet."""
        return self._num_waiting > 0 and not self.is_over

    def put(self, text: str) -> None:
        """Append a piece of text; its sentences are said when they are whole.

        Raises:
            GatewayError: it is no Unicode text, or too much waits already.
        """
        check_unicode("text", text)
        if not self._num_waiting:
            self._num_waiting_characters = 0
        self._num_waiting_characters += len(text)
        if self._num_waiting_characters > self._max_waiting_characters:
            fault = f"got {self._num_waiting_characters} characters that wait to be said"
            raise invalid("text", f"{fault}; allowed: at most {self._max_waiting_characters}")
        self._ask(self._cutter.feed(text))

    def flush(self, mark: Mark | None = None) -> None:
        """Say what is pending as if the text ended here.

        Args:
            mark: Called when it has been said.
        """
        self._ask(self._cutter.finish())
        if mark is not None:
            self._asked.put_nowait(mark)

    def end(self) -> None:
        """Say what is pending; no more comes."""
        if not self._is_ended:
            self.flush()
            self._is_ended = True
            self._asked.put_nowait(None)

    async def cancel(self) -> None:
        """Stop it: when this returns, no more of its sound is sent and the server has been told."""
        self._task.cancel()
        await asyncio.wait({self._task})

    def _ask(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self._num_waiting += 1
            self._asked.put_nowait(sentence)

    async def _run(self) -> None:
        preparing = asyncio.create_task(self._prepare())
        try:
            await speak_in_turn(self._socket, self._lock, self._speak, self._fail)
        finally:
            preparing.cancel()
            await asyncio.wait({preparing})
            while not self._ready.empty():
                if isinstance(left := self._ready.get_nowait(), _Prepared):
                    await left.answer.aclose()

    async def _fail(self, problem: Problem) -> None:
        self._speech.count_problem(self._order, problem)
        self._is_over = True
        await self._sink.failed(problem)

    async def _prepare(self) -> None:
        """Ask for each sentence's sound, the next one while one is heard."""
        order = self._order
        while (item := await self._asked.get()) is not None:
            if not isinstance(item, str):
                self._ready.put_nowait(item)
                continue
            await self._slots.acquire()
            try:
                answer = await self._speech.begin(replace(order, text=item, asked_s=time.perf_counter()))
            except Exception as error:  # raised again when what comes before has been heard
                self._ready.put_nowait(error)
                return
            self._ready.put_nowait(_Prepared(item, answer))
            order = self._later_order
        self._ready.put_nowait(None)

    async def _speak(self, _stack: AsyncExitStack) -> None:
        while (item := await self._ready.get()) is not None:
            if isinstance(item, Exception):
                raise item
            if isinstance(item, _Prepared):
                try:
                    await self._say(item)
                finally:
                    await item.answer.aclose()
                self._slots.release()
                self._num_waiting -= 1
                self._num_waiting_characters -= len(item.sentence)
            else:
                await item()
        self._is_over = True
        await self._sink.done(was_cut=False)

    async def _say(self, prepared: _Prepared) -> None:
        answer, start_s = prepared.answer, self._said_s
        await self._sink.begin()
        async for sound in answer.pieces():
            await self._sender.send(sound.data, sound.duration_s)
            self._said_s += sound.duration_s
        answer.check_whole()
        await self._sink.said(prepared.sentence, start_s, self._said_s)
