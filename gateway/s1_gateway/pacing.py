"""Sound is sent as it is played, a little ahead: what lies in a socket cannot be taken back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MAX_MESSAGE_BYTES = 65_536
"""Of a WebSocket message; clients refuse one over 1 MiB, and a frame blocks those behind it."""


@dataclass(frozen=True)
class Pace:
    """How far ahead, and how patient.

    Args:
        ahead_s: Sound sent before its time at most.
        send_s: A listener who takes nothing for this long is given up.
        piece_bytes: Of one message at most. In base64 three bytes become four, so 48 KiB is the most there.
    """

    ahead_s: float = 1.5
    send_s: float = 20.0
    piece_bytes: int = MAX_MESSAGE_BYTES


class ListenerStalledError(Exception):
    """A listener took nothing for too long.

    Args:
        waited_s: How long.
    """

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"the listener took no sound for {waited_s:g} s")
        self.waited_s = waited_s


class PacedSender:
    """Sends one stream's sound at the speed of its playback.

    The clock is ours: it starts with the first piece, and runs out when no sound is there in time. A cancelled
    ``send`` sends nothing more.

    Args:
        send: Sends one message.
        pace: How far ahead.
        clock: Seconds, never going back.
        sleep: Waits for seconds.

    Attributes:
        underruns: Times that playback had to wait for sound, by our clock.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        pace: Pace,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._send = send
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._played_until_s: float | None = None
        self.underruns = 0

    @property
    def ahead_s(self) -> float:
        """Sound that was sent and is not played yet, in seconds."""
        return 0.0 if self._played_until_s is None else max(self._played_until_s - self._clock(), 0.0)

    async def send(self, sound: bytes, duration_s: float) -> None:
        """Send a piece when its time has come, in as many messages as it needs.

        Args:
            sound: Bytes; with none of them only the clock is moved.
            duration_s: How long they are heard.

        Raises:
            ListenerStalledError: The listener took nothing for too long.
        """
        pieces = max(1, -(-len(sound) // self._pace.piece_bytes))
        for start in range(0, pieces * self._pace.piece_bytes, self._pace.piece_bytes):
            await self._wait()
            if piece := sound[start : start + self._pace.piece_bytes]:
                await self._send_in_time(piece)
            self._move_clock(duration_s / pieces)

    async def _wait(self) -> None:
        early_s = self.ahead_s - self._pace.ahead_s
        if early_s > 0:
            await self._sleep(early_s)

    async def _send_in_time(self, piece: bytes) -> None:
        try:
            async with asyncio.timeout(self._pace.send_s) as limit:
                await self._send(piece)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ListenerStalledError(self._pace.send_s) from error

    def _move_clock(self, duration_s: float) -> None:
        now_s = self._clock()
        if self._played_until_s is None:
            self._played_until_s = now_s
        elif self._played_until_s < now_s:
            self.underruns += 1
            self._played_until_s = now_s
        self._played_until_s += duration_s
