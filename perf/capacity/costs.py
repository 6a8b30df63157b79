"""What a server's work takes, in seconds: the tables that the capacity planner computes with.

They come from measurements on a machine (``calibration.py``) or from a GPU's data sheet (``hardware.py``).
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True)
class Table:
    """A function given at some points, straight between them and beyond the last two.

    Args:
        at: Points, rising, at least two.
        values: Values there.
    """

    at: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the points.

        Raises:
            ValueError: they do not rise, or are too few, or not as many as the values.
        """
        if len(self.at) < 2 or len(self.at) != len(self.values):
            raise ValueError(
                f"a table has {len(self.at)} points and {len(self.values)} values; allowed: 2 or more each"
            )
        if sorted(set(self.at)) != list(self.at):
            raise ValueError(f"the points of a table are {list(self.at)}; allowed: rising ones")

    def __call__(self, x: float) -> float:
        """Value at a point; never below 0."""
        index = min(max(bisect.bisect_right(self.at, x), 1), len(self.at) - 1)
        x0, x1 = self.at[index - 1], self.at[index]
        y0, y1 = self.values[index - 1], self.values[index]
        return max(0.0, y0 + (y1 - y0) * (x - x0) / (x1 - x0))


@dataclass(frozen=True)
class StepCosts:
    """A decode step of the language model.

    Args:
        base_s: By rows: seconds of a step at position 0.
        per_position_s: By rows: seconds more for each position that every row has behind it.
        key_buckets: Numbers of positions that a step computes over, rising; empty: only those that are filled.
    """

    base_s: Table
    per_position_s: Table
    key_buckets: tuple[int, ...] = ()

    def seconds(self, num_rows: int, mean_position: float, largest_position: int) -> float:
        """Seconds of a step."""
        position: float = mean_position
        if self.key_buckets:
            index = bisect.bisect_left(self.key_buckets, largest_position)
            position = self.key_buckets[min(index, len(self.key_buckets) - 1)]
        return self.base_s(num_rows) + self.per_position_s(num_rows) * position


@dataclass(frozen=True)
class CodecCosts:
    """A decoder call of the codec.

    Args:
        by_frames_s: By frames: seconds of one stream's chunk.
        per_stream_s: Seconds more for each further stream of a batch, over what its frames take.
    """

    by_frames_s: Table
    per_stream_s: float

    def seconds(self, frames: Sequence[int]) -> float:
        """Seconds of a batch of chunks of so many frames each; empty chunks take nothing."""
        streams = sum(count > 0 for count in frames)
        return self.by_frames_s(sum(frames)) + self.per_stream_s * (streams - 1) if streams else 0.0


@dataclass(frozen=True)
class Costs:
    """What one server's work takes.

    Args:
        name: What was measured or modelled.
        step: A decode step.
        round_s: What the engine adds to a step.
        prefill_s: By tokens: a piece of a prompt.
        codec: A decoder call.
        lm_rate: Speed of the language model while the codec computes too; 1: as if alone.
        codec_rate: Speed of the codec while the language model computes too.
        hop_s: Way of a request through Triton into a model, and of its response out of it.
        prefill_tokens: Tokens of a piece.
        codec_batch_frames: Frames that the codec decodes together at most; 0: any number.
        codec_piece_frames: Frames of a chunk that it decodes in one go at most; 0: all of them.
    """

    name: str
    step: StepCosts
    round_s: float
    prefill_s: Table
    codec: CodecCosts
    lm_rate: float
    codec_rate: float
    hop_s: float
    prefill_tokens: int
    codec_batch_frames: int
    codec_piece_frames: int = 0

    def at_speed(self, speed: float) -> Self:
        """The costs on a machine so many times as fast."""

        def scaled(table: Table) -> Table:
            return Table(table.at, tuple(value / speed for value in table.values))

        return replace(
            self,
            step=replace(self.step, base_s=scaled(self.step.base_s), per_position_s=scaled(self.step.per_position_s)),
            round_s=self.round_s / speed,
            prefill_s=scaled(self.prefill_s),
            codec=CodecCosts(scaled(self.codec.by_frames_s), self.codec.per_stream_s / speed),
        )
