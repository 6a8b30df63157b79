"""What the engine asks of a model's runner, whatever computes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.model import DualArModel
from s1_tts.lm.prompt import Columns
from s1_tts.speech_task import Sampling


@dataclass(frozen=True, eq=False)
class Frame:
    """What one row decoded.

    Args:
        codes: ``[num_codebooks]``, int32; without meaning when the utterance ended or the row is not sound.
        is_end: The model ended the utterance.
        is_sound: False when the row's logits were not all finite.
    """

    codes: npt.NDArray[np.int32]
    is_end: bool
    is_sound: bool


@dataclass(frozen=True)
class Row:
    """A slot that decodes.

    Args:
        slot: Its slot.
        position: Position of its next column.
        draw: Number of the draw, counted from the first frame of its stream; none: its position. Noise follows from it.
    """

    slot: int
    position: int
    draw: int | None = None

    @property
    def draw_number(self) -> int:
        """Number of the draw."""
        return self.position if self.draw is None else self.draw


@dataclass(frozen=True, eq=False)
class PromptPiece:
    """Neighbouring columns of a prompt.

    Args:
        slot: Slot of the sequence.
        columns: ``[1 + num_codebooks, S]``.
        start: Position of the first one.
    """

    slot: int
    columns: Columns
    start: int


class Runner(Protocol):
    """Prefill and decode by slot. One thread at a time; the thread that warms it up is the one that uses it."""

    steps_ahead: int
    """Steps that may be launched before the frames of the last one are read."""
    prefill_limit: int
    """Columns that are computed in one go at most, of several prompts; 0: one piece at a time, however long."""

    @property
    def model(self) -> DualArModel:
        """The model."""

    @property
    def pool(self) -> KvPool:
        """Its keys and values."""

    @property
    def num_positions(self) -> int:
        """Longest sequence."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def warm_up(self) -> None:
        """Run what later requests will run, so that none of them pays for the first time."""

    def open(self, slot: int, sampling: Sampling) -> None:
        """Give a slot to a new sequence."""

    def discard(self, slot: int) -> None:
        """Forget what a failed sequence left in its slot."""

    def prefill_pieces(self, pieces: Sequence[PromptPiece]) -> None:
        """Store keys and values of prompt columns, each piece of another slot."""

    def start(self, slot: int, column: npt.NDArray[np.int64]) -> None:
        """Set the column ``[1 + num_codebooks]`` a slot decodes from next; its penalty window starts empty."""

    def launch(self, rows: Sequence[Row]) -> None:
        """Begin to decode one frame of each row."""

    def collect(self) -> list[Frame]:
        """Frames of the oldest step that was launched and not collected, in its order."""

    def forget(self) -> None:
        """Give up the steps that were launched and not collected."""

    def is_lost(self) -> bool:
        """Whether the device is lost, and all calls will fail."""


def frames_of(codes: npt.NDArray[np.int32], num_semantic: int, unsound: int) -> list[Frame]:
    """Read rows ``[B, num_codebooks]`` of :func:`s1_tts.lm.decode.decode_step`."""
    return [Frame(row, is_end=bool(row[0] == num_semantic), is_sound=bool(row[0] != unsound)) for row in codes]
