"""A listener who plays sound as it comes: when the first was there, and how often playback had to wait."""

import struct
import time
from typing import Protocol

from s1_gateway.encoding.ogg import CAPTURE_PATTERN, GRANULE_RATE_HZ

PCM_BYTES_A_SECOND = 2 * 24_000
MP3_BYTES_A_SECOND = 128_000 / 8
MP3_FRAME_BYTES = 418
MP3_INFO_BYTES = 417
"""Of the frame in front, which holds no sound."""


class Meter(Protocol):
    """Tells how many seconds of sound bytes have brought."""

    def add(self, data: bytes) -> float:
        """Take bytes; gives all seconds until now."""


class PcmMeter:
    """16 bits at 24 kHz."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, data: bytes) -> float:
        """Take bytes; gives all seconds until now."""
        self._bytes += len(data)
        return self._bytes / PCM_BYTES_A_SECOND


class Mp3Meter:
    """128 kb/s; a frame counts when it is whole."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, data: bytes) -> float:
        """Take bytes; gives all seconds until now."""
        self._bytes += len(data)
        sound_bytes = self._bytes - MP3_INFO_BYTES
        return sound_bytes / MP3_BYTES_A_SECOND if sound_bytes >= MP3_FRAME_BYTES else 0.0


class OggMeter:
    """Ogg/Opus; a page counts when its head is there. The two header pages bring no sound."""

    def __init__(self) -> None:
        self._held = b""
        self._seconds = 0.0

    def add(self, data: bytes) -> float:
        """Take bytes; gives all seconds until now."""
        self._held += data
        while (start := self._held.find(CAPTURE_PATTERN)) >= 0 and len(self._held) >= start + 14:
            (granule,) = struct.unpack_from("<q", self._held, start + 6)
            self._seconds = max(self._seconds, granule / GRANULE_RATE_HZ)
            self._held = self._held[start + 14 :]
        return self._seconds


class Listener:
    """Plays from the first sound on, without a buffer.

    Attributes:
        first_ms: From its making to the first sound; 0: none came.
        underruns: Times that playback had to wait.
        sound_s: Sound that came.
    """

    def __init__(self) -> None:
        self._begun_s = time.perf_counter()
        self._plays_until_s = 0.0
        self.first_ms = 0.0
        self.underruns = 0
        self.sound_s = 0.0

    def hear(self, sound_s: float) -> None:
        """Take sound: all seconds that have come until now."""
        new_s = sound_s - self.sound_s
        if new_s <= 0:
            return
        now_s = time.perf_counter()
        if not self.first_ms:
            self.first_ms = (now_s - self._begun_s) * 1e3
        elif now_s > self._plays_until_s:
            self.underruns += 1
        self._plays_until_s = max(now_s, self._plays_until_s) + new_s
        self.sound_s = sound_s
