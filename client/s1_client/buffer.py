"""A bounded buffer of chunks between the connection and a consumer."""

import asyncio
from collections import deque

from s1_client.audio import AudioChunk
from s1_client.policy import WhenFull


class ChunkBuffer:
    """Holds chunks in order for one consumer.

    Args:
        capacity: Chunks held at most.
        capacity_bytes: Their samples together, beside the chunk that went over it; None: no limit.
        when_full: What becomes of a chunk that comes then.
    """

    def __init__(self, capacity: int, capacity_bytes: int | None, when_full: WhenFull) -> None:
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._held_bytes = 0
        self._when_full = when_full
        self._chunks: deque[AudioChunk] = deque()
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_closed = False
        self._error: Exception | None = None
        self.dropped = 0

    async def wait_for_room(self) -> None:
        """Return when the next chunk can be put."""
        if self._when_full is WhenFull.WAIT:
            await self._has_room.wait()

    def put(self, chunk: AudioChunk) -> None:
        """Append a chunk, once :meth:`wait_for_room` has returned."""
        while self._is_full:
            self._take_oldest()
            self.dropped += 1
        self._chunks.append(chunk)
        self._held_bytes += chunk.samples.nbytes
        if self._is_full:
            self._has_room.clear()
        self._changed.set()

    def close(self, error: Exception | None = None) -> None:
        """End with what is held, or with an error after it."""
        self._is_closed = True
        self._error = error
        self._changed.set()

    def clear(self) -> None:
        """Forget what is held."""
        self._chunks.clear()
        self._held_bytes = 0

    async def get(self) -> AudioChunk | None:
        """Wait for the next chunk.

        Returns:
            The chunk; None at the end.

        Raises:
            Exception: the error that the buffer was closed with.
        """
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        chunk = self._take_oldest()
        if not self._is_full:
            self._has_room.set()
        return chunk

    @property
    def _is_full(self) -> bool:
        is_over = self._capacity_bytes is not None and self._held_bytes >= self._capacity_bytes
        return len(self._chunks) >= self._capacity or is_over

    def _take_oldest(self) -> AudioChunk:
        chunk = self._chunks.popleft()
        self._held_bytes -= chunk.samples.nbytes
        return chunk
