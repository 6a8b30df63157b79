"""How many frames of a stream are sent at once: few at first, then as many as the listener's buffer allows."""

import math
from dataclasses import dataclass

from s1_protocol.sound import FRAMES_PER_SECOND


@dataclass(frozen=True)
class ChunkRules:
    """How the server chooses the sizes of a stream's chunks; docs/serving.md compares the defaults with others.

    Args:
        first_frames: Frames of a first chunk, and the smallest later on; 4 are 186 ms of sound. Larger chunks are
            multiples of it.
        largest_frames: Largest chunk.
        lead_share: Share of the buffered sound that may pass while the next chunk is made and decoded; the rest is
            the listener's.
        reserve_s: Buffered sound that is the listener's in any case. A larger chunk than the smallest is no reason
            for an underrun as long as no ``first_frames`` frames take longer than this.
        codec_share: Time that decoding a frame is taken to need, as a share of its sound. The language model does
            not see the codec at work, so this is the slowest codec that growth allows for; one that is faster leaves
            the listener more.
    """

    first_frames: int = 4
    largest_frames: int = 64
    lead_share: float = 0.5
    reserve_s: float = 0.5
    codec_share: float = 1 / 3


class ChunkSchedule:
    """When a stream's frames are sent.

    A listener plays at 1x from the first chunk on. What was sent and not yet played is the lead. Frames are held back
    for a larger chunk while that would still be decoded before the lead is down to the listener's part of it; this is
    decided anew every few frames, so a stream that slows down sends what it has. A stream that is not ahead gets
    small chunks, which is the best that can be done for it.

    A chunk's fixed costs (its way to the codec and to the listener) do not count: they delay the first chunk too, and
    so the playback by as much.

    Args:
        rules: The server's choice.
        chunk_frames: The caller's wish; 0 leaves the size to the server.
    """

    def __init__(self, rules: ChunkRules, chunk_frames: int) -> None:
        self._rules = rules
        self._fixed_frames = chunk_frames
        self._played_s = -math.inf  # when all that was sent has been played
        self._decoded_s = -math.inf  # when all that was sent has been decoded
        self._limit_s = -math.inf  # when the next chunk has to be decoded

    def is_due(self, num_frames: int, now_s: float) -> bool:
        """Whether the frames that are not sent yet go out now; asked after every frame.

        Args:
            num_frames: How many they are.
            now_s: Time in seconds of any steady clock.
        """
        if self._fixed_frames:
            return num_frames >= self._fixed_frames
        step = self._rules.first_frames
        if num_frames >= self._rules.largest_frames:
            return True
        if num_frames == 0 or num_frames % step:
            return False
        return self._decoded_by_s(num_frames + step, now_s) > self._limit_s

    def sent(self, num_frames: int, now_s: float) -> None:
        """Note that a chunk goes out."""
        self._decoded_s = self._decoded_by_s(num_frames, now_s)
        self._played_s = max(self._played_s, now_s) + num_frames / FRAMES_PER_SECOND
        lead_s = self._played_s - now_s
        self._limit_s = now_s + min(lead_s * self._rules.lead_share, lead_s - self._rules.reserve_s)

    def _decoded_by_s(self, num_frames: int, now_s: float) -> float:
        return max(now_s, self._decoded_s) + num_frames * self._rules.codec_share / FRAMES_PER_SECOND
