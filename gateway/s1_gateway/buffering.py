"""A bounded buffer of sound between the engine and one listener."""

import asyncio
from collections import deque
from enum import Enum

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
SAMPLE_BYTES = 2

PIECE_SAMPLES = 8_820
"""Taken out at once, at most: 0.2 s, which takes 2 ms to encode, so that no stream holds up the others."""


class WhenFull(Enum):
    """What becomes of sound for which there is no room."""

    WAIT = "wait"
    """The engine's stream is not read on, so that its server stops decoding ahead."""
    DROP_OLDEST = "drop_oldest"
    """A call that lags behind is better heard late than never: the oldest sound is left out, and counted."""


class SoundBuffer:
    """Holds samples of one stream, in order; in front of the encoder, for of encoded bytes none can be left out.

    One task puts, one task gets. Streams share nothing, so nobody waits for a neighbour's listener.

    Args:
        max_bytes: Held at most; a piece that is larger is taken when nothing else is held.
        when_full: What becomes of the next piece then.
        piece_samples: Given at once, at most.

    Attributes:
        dropped_samples: Left out so far.
    """

    def __init__(self, max_bytes: int, when_full: WhenFull, *, piece_samples: int = PIECE_SAMPLES) -> None:
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._piece_samples = piece_samples
        self._pieces: deque[Samples] = deque()
        self._held_bytes = 0
        self._is_closed = False
        self._error: Exception | None = None
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self.dropped_samples = 0

    @property
    def held_bytes(self) -> int:
        """Bytes held now."""
        return self._held_bytes

    async def put(self, samples: Samples) -> None:
        """Append samples; waits for room, or makes it."""
        for start in range(0, len(samples), self._piece_samples):
            await self._put_piece(samples[start : start + self._piece_samples])

    def close(self, error: Exception | None = None) -> None:
        """End with what is held, and with an error behind it if there is one."""
        self._is_closed = True
        self._error = error
        self._changed.set()

    async def get(self) -> Samples | None:
        """Wait for the next samples.

        Returns:
            Some; None at the end.

        Raises:
            Exception: The error that the buffer was closed with.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        piece = self._pieces.popleft()
        self._held_bytes -= SAMPLE_BYTES * len(piece)
        self._has_room.set()
        return piece

    async def _put_piece(self, piece: Samples) -> None:
        piece_bytes = SAMPLE_BYTES * len(piece)
        while self._pieces and self._held_bytes + piece_bytes > self._max_bytes:
            if self._when_full is WhenFull.DROP_OLDEST:
                oldest = self._pieces.popleft()
                self._held_bytes -= SAMPLE_BYTES * len(oldest)
                self.dropped_samples += len(oldest)
            else:
                self._has_room.clear()
                await self._has_room.wait()
        self._pieces.append(piece)
        self._held_bytes += piece_bytes
        self._changed.set()
