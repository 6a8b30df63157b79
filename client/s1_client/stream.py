"""One stream of audio chunks, buffered for its consumer."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Self

from s1_client.audio import AudioChunk
from s1_client.buffer import ChunkBuffer
from s1_client.policy import Delivery


class SpeechStream:
    """Chunks of one utterance: ``async for chunk in stream``, once.

    Leaving the loop early, by ``break`` or an error, cancels the request on the server; so does :meth:`cancel`, after
    which the loop just ends. Who keeps the iterator for longer than the loop says ``async with stream:`` around it.

    Args:
        read: Sends the request and reads its chunks.
        delivery: How chunks are handed over.
    """

    def __init__(self, read: Callable[[], AsyncGenerator[AudioChunk]], delivery: Delivery) -> None:
        self._read = read
        self._buffer = ChunkBuffer(delivery.max_buffered_chunks, delivery.max_buffered_bytes, delivery.when_full)
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False
        self._is_read = False

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is under way: its request has ended, or was never sent."""
        return self._task is None or self._task.done()

    @property
    def dropped(self) -> int:
        """Chunks that were lost because the consumer was too slow."""
        return self._buffer.dropped

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def start(self) -> None:
        """Send the request now instead of when the loop begins."""
        if self._task is None and not self._is_cancelled:
            self._task = asyncio.create_task(self._fill(self._read, self._buffer))

    def cancel(self) -> None:
        """Stop the utterance; what was not yet read is lost. A second time does nothing."""
        if self._is_cancelled:
            return  # cancelled again, its task would be torn out of its own cleaning up
        self._is_cancelled = True
        self._buffer.clear()
        self._buffer.close()
        if self._task is not None:
            self._task.cancel()

    async def aclose(self) -> None:
        """Stop the utterance, if it still goes on, and wait until the request has been cancelled."""
        self.cancel()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        """Send the request and read its chunks.

        Raises:
            DeadlineError: the deadline passed.
            ServerError: the server refused the request or failed.
            UnreachableError: no server answers.
            StreamError: the chunks stall, have a gap or end early.
        """
        if self._is_read:
            raise RuntimeError("a stream is read once; ask the client for a new one")
        self._is_read = True
        return self._chunks()

    async def _chunks(self) -> AsyncGenerator[AudioChunk]:
        self.start()
        try:
            while (chunk := await self._buffer.get()) is not None:
                yield chunk
        finally:
            await self.aclose()

    @staticmethod
    async def _fill(read: Callable[[], AsyncGenerator[AudioChunk]], buffer: ChunkBuffer) -> None:
        try:
            async with aclosing(read()) as chunks:
                await buffer.wait_for_room()
                async for chunk in chunks:
                    buffer.put(chunk)
                    await buffer.wait_for_room()
        except asyncio.CancelledError:
            # kept by the task, it would hold the call, and so the connection, until Python looks for cycles
            buffer.close()
        except Exception as error:  # any error: the consumer gets it
            buffer.close(error)
        else:
            buffer.close()
