"""How many frames of a stream are sent at once: few at first, then as many as the listener's buffer allows."""

from s1_tts.protocol import FRAMES_PER_SECOND

FIRST_FRAMES = 4
"""Frames of a first chunk when the server chooses: 186 ms of sound."""

LARGEST_FRAMES = 64
GROWTH = 2.0
"""A chunk is at most this many times the one before."""

LEAD_SHARE = 0.5
"""Share of the buffered sound that may pass while the next chunk is made; the rest is the listener's reserve."""


class ChunkSchedule:
    """Sizes of a stream's chunks.

    A listener plays at 1x from the first chunk on. What was sent and not yet played is the lead; the next chunk is so
    large that it takes no longer to make than a share of the lead, at the rate at which the last one was made. A
    stream that is not ahead gets small chunks, which is the best that can be done for it.

    Args:
        chunk_frames: The caller's wish; 0 leaves the size to the server.
        start_s: Time at which the first frame began, in seconds of any steady clock.
    """

    def __init__(self, chunk_frames: int, start_s: float) -> None:
        self._is_fixed = chunk_frames > 0
        self.frames = chunk_frames if self._is_fixed else FIRST_FRAMES
        self._previous_s = start_s
        self._first_sent_s: float | None = None
        self._num_sent = 0

    def sent(self, num_frames: int, now_s: float) -> None:
        """Note that a chunk goes out, and choose the size of the next one."""
        elapsed_s = max(now_s - self._previous_s, 1e-6)
        self._previous_s = now_s
        self._num_sent += num_frames
        if self._first_sent_s is None:
            self._first_sent_s = now_s
        if self._is_fixed:
            return
        lead_s = self._num_sent / FRAMES_PER_SECOND - (now_s - self._first_sent_s)
        affordable = int(lead_s * LEAD_SHARE * num_frames / elapsed_s)
        largest = min(LARGEST_FRAMES, int(self.frames * GROWTH))
        self.frames = max(FIRST_FRAMES, min(largest, affordable))
