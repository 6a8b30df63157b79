"""One stream of sound for a text that is still being written."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from s1_client.audio import AudioChunk, silence
from s1_client.live_text import Pieces, sentences_of
from s1_client.options import SpeechOptions
from s1_client.policy import Delivery, WhenFull
from s1_client.stream import SpeechStream

MAX_SENTENCES_UNDER_WAY = 2
"""The one that is heard and the next one, so that it is there when the first one ends."""

ReadSentence = Callable[[str], AsyncGenerator[AudioChunk]]


def with_seed(options: SpeechOptions) -> SpeechOptions:
    """Draw a seed if none is given: without one, every sentence would have a voice of its own."""
    return options if options.seed is not None else replace(options, seed=secrets.randbelow(2**31))


class LiveSpeech:
    """Asks for the sentences of a text one after the other and joins their sound.

    Args:
        pieces: The text in order.
        read_sentence: Requests a sentence and reads its chunks.
        delivery: How chunks are handed over. Each sentence under way has a buffer of this size.
    """

    def __init__(self, pieces: Pieces, read_sentence: ReadSentence, delivery: Delivery) -> None:
        self._pieces = pieces
        self._read_sentence = read_sentence
        self._delivery = replace(delivery, when_full=WhenFull.WAIT)  # dropping is for the stream that is heard
        self._requested: asyncio.Queue[SpeechStream | None] = asyncio.Queue()
        self._slots = asyncio.Semaphore(MAX_SENTENCES_UNDER_WAY)
        self._under_way: list[SpeechStream] = []

    async def chunks(self) -> AsyncGenerator[AudioChunk]:
        """Read the chunks of all sentences in order; closing this stops the server.

        Indices go on from sentence to sentence. If the last sentence's sound was given before the text turned out to
        be over, an empty chunk is the last one. A text in which there is nothing to say is a moment of silence.

        Raises:
            S1ClientError: a sentence failed.
        """
        started_s = time.perf_counter()
        asking = asyncio.create_task(self._ask())
        last: AudioChunk | None = None
        try:
            while (stream := await self._requested.get()) is not None:
                async for chunk in stream:
                    last = replace(
                        chunk,
                        index=0 if last is None else last.index + 1,
                        is_last=chunk.is_last and self._is_over(asking),
                        arrival_s=time.perf_counter() - started_s,
                        is_cut=chunk.is_cut or (last is not None and last.is_cut),
                    )
                    yield last
                self._under_way.remove(stream)
                self._slots.release()
            await asking
            waited_s = time.perf_counter() - started_s
            if last is None:
                nothing = silence()
                yield AudioChunk(0, nothing.samples, nothing.sample_rate_hz, is_last=True, arrival_s=waited_s)
            elif not last.is_last:
                yield replace(last, index=last.index + 1, samples=last.samples[:0], is_last=True, arrival_s=waited_s)
        finally:
            asking.cancel()
            for stream in self._under_way:
                stream.cancel()  # takes effect even if nothing can be awaited any more
            for stream in self._under_way:
                await stream.aclose()

    def _is_over(self, asking: asyncio.Task[None]) -> bool:
        """Whether no sentence follows; what is left in the queue is the mark of the end."""
        return asking.done() and self._requested.qsize() == 1

    async def _ask(self) -> None:
        """Request each sentence when it is whole and not too many are under way."""
        try:
            async with aclosing(sentences_of(self._pieces)) as sentences:
                async for sentence in sentences:
                    await self._slots.acquire()
                    self._request(sentence)
        finally:
            self._requested.put_nowait(None)

    def _request(self, sentence: str) -> None:
        stream = SpeechStream(lambda: self._read_sentence(sentence), self._delivery)
        stream.start()
        self._under_way.append(stream)
        self._requested.put_nowait(stream)
