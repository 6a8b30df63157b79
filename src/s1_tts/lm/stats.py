"""What the engine counts, for metrics and for the estimate of how long a new request would wait."""

from collections import deque
from dataclasses import dataclass, field

MAX_KEPT_TIMINGS = 10_000
"""Timings kept until they are collected; older ones give way, so that an unwatched engine stays small."""


@dataclass(frozen=True)
class EngineStats:
    """A snapshot of the engine; counters only grow.

    Args:
        active: Sequences in a slot, by class name.
        waiting: Sequences waiting, by class name.
        slots: Slots in all.
        queue_limit: Sequences of each class that may wait.
        kv_pool_bytes: Size of the KV pool.
        kv_used_tokens: Positions of running sequences that are filled.
        kv_total_tokens: Positions of the pool.
        prefix_bytes: Size of the voices' prefixes that are kept.
        prefix_hits: Prompts whose voice was known.
        prefix_misses: Prompts whose voice had to be computed.
        frames: Frames generated.
        finished: Streams that came to their end, all of their text said.
        cancelled: Streams whose caller left.
        refused: Requests that were not taken: queue full, or the deadline cannot be met.
        failed: Streams that ended with an error of the engine.
        cut: Streams that reached their limit of frames before their text was said.
    """

    active: dict[str, int]
    waiting: dict[str, int]
    slots: int
    queue_limit: int
    kv_pool_bytes: int
    kv_used_tokens: int
    kv_total_tokens: int
    prefix_bytes: int
    prefix_hits: int
    prefix_misses: int
    frames: int
    finished: int
    cancelled: int
    refused: int
    failed: int
    cut: int


@dataclass
class Counters:
    """Counters of the engine."""

    frames: int = 0
    finished: int = 0
    cancelled: int = 0
    refused: int = 0
    failed: int = 0
    cut: int = 0


@dataclass(frozen=True)
class Timings:
    """Timings since they were last collected, oldest first.

    Args:
        step_s: Seconds of each decode step.
        step_rows: Rows of each decode step.
        prefill_s: Seconds of each prefill, over a whole prompt.
        first_frame_s: Seconds from the arrival of each request to its first frame.
        queue_s: Seconds each request waited for a slot.
    """

    step_s: list[float]
    step_rows: list[float]
    prefill_s: list[float]
    first_frame_s: list[float]
    queue_s: list[float]


def _bounded() -> deque[float]:
    return deque(maxlen=MAX_KEPT_TIMINGS)


@dataclass
class TimingLog:
    """Timings kept until :meth:`drain`."""

    step_s: deque[float] = field(default_factory=_bounded)
    step_rows: deque[float] = field(default_factory=_bounded)
    prefill_s: deque[float] = field(default_factory=_bounded)
    first_frame_s: deque[float] = field(default_factory=_bounded)
    queue_s: deque[float] = field(default_factory=_bounded)

    def drain(self) -> Timings:
        """Hand out the timings and forget them."""
        timings = Timings(*(list(kept) for kept in self._all()))
        for kept in self._all():
            kept.clear()
        return timings

    def _all(self) -> tuple[deque[float], ...]:
        return (self.step_s, self.step_rows, self.prefill_s, self.first_frame_s, self.queue_s)


class Rate:
    """Running mean that follows the last few dozen values; ``None`` before the first one."""

    _WEIGHT = 0.1

    def __init__(self) -> None:
        self.mean: float | None = None

    def add(self, value: float) -> None:
        """Take a value in."""
        self.mean = value if self.mean is None else self.mean + self._WEIGHT * (value - self.mean)


@dataclass
class LoadEstimate:
    """How long things take at present, as measured.

    Args:
        step_s: Seconds of a decode step.
        prefill_s: Seconds of a piece of a prompt: a GPU takes as long for a few tokens as for many.
        hold_s: Seconds that a finished sequence had its slot.
    """

    step_s: Rate = field(default_factory=Rate)
    prefill_s: Rate = field(default_factory=Rate)
    hold_s: Rate = field(default_factory=Rate)

    def first_chunk_s(self, num_ahead: int, num_slots: int, num_pieces: int, num_frames: int) -> float:
        """Seconds until a new request's first chunk; what was never measured counts as nothing.

        Args:
            num_ahead: Sequences that must leave a slot before this one gets its own.
            num_slots: Slots in all.
            num_pieces: Pieces of its prompt.
            num_frames: Frames of its first chunk.
        """
        waiting_s = num_ahead * (self.hold_s.mean or 0.0) / num_slots
        prompt_s = num_pieces * (self.prefill_s.mean or 0.0)
        return waiting_s + prompt_s + num_frames * (self.step_s.mean or 0.0)
