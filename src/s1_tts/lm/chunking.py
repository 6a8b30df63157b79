"""How many frames of a stream are sent at once: few at first, then as many as the listener's buffer allows."""

from dataclasses import dataclass

from s1_tts.protocol import FRAMES_PER_SECOND


@dataclass(frozen=True)
class ChunkRules:
    """How the server chooses the sizes of a stream's chunks; the defaults come from ``perf/chunks.py``.

    Args:
        first_frames: Frames of a first chunk, and the smallest later on; 4 are 186 ms of sound.
        growth: A chunk is at most this many times the one before.
        largest_frames: Largest chunk.
        lead_share: Share of the buffered sound that may pass while the next chunk is made; the rest is the
            listener's reserve.
    """

    first_frames: int = 4
    growth: float = 2.0
    largest_frames: int = 64
    lead_share: float = 0.5


class ChunkSchedule:
    """Sizes of a stream's chunks.

    A listener plays at 1x from the first chunk on. What was sent and not yet played is the lead; the next chunk is so
    large that it takes no longer to make than a share of the lead, at the rate at which the last one was made. A
    stream that is not ahead gets small chunks, which is the best that can be done for it.

    Args:
        rules: The server's choice.
        chunk_frames: The caller's wish; 0 leaves the size to the server.
        start_s: Time at which the first frame began, in seconds of any steady clock.
    """

    def __init__(self, rules: ChunkRules, chunk_frames: int, start_s: float) -> None:
        self._rules = rules
        self._is_fixed = chunk_frames > 0
        self.frames = chunk_frames if self._is_fixed else rules.first_frames
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
        rules = self._rules
        affordable = int(lead_s * rules.lead_share * num_frames / elapsed_s)
        largest = min(rules.largest_frames, int(self.frames * rules.growth))
        self.frames = max(rules.first_frames, min(largest, affordable))
