"""Runs the model by kernels: launches one step ahead of what is read, and prompts together."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from s1_tts.buckets import doubling
from s1_tts.cuda import GraphCapture, Landing, is_lost
from s1_tts.lm.decode import UNSOUND
from s1_tts.lm.fused.rows import TableRow
from s1_tts.lm.fused.step import FusedPrefill, FusedStep
from s1_tts.lm.fused.tiles import PREFILL_ATTENTION
from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.model import DualArModel
from s1_tts.lm.prompt import Columns
from s1_tts.lm.stepping import Frame, PromptPiece, Row, frames_of
from s1_tts.speech_task import Sampling

PREFILL_SIZES = (64, 128, 256)
"""Columns of the graphs of a prefill, rising."""

SMALLEST_ROW_BUCKET = 16
"""Fewer rows than this cost as much: the weights are what is read."""


@dataclass(eq=False)
class _Slot:
    """What the host knows of a slot.

    Args:
        sampling: How its sequence draws.
        column: What it decodes from first.
        age: Frames launched since then.
    """

    sampling: Sampling
    column: npt.NDArray[np.int64]
    age: int = 0


class FusedRunner:
    """The model with its KV pool; see :class:`s1_tts.lm.stepping.Runner`.

    Args:
        model: The model, on its device, its tables made for ``num_positions``.
        num_slots: Sequences at once.
        num_positions: Longest sequence.
    """

    prefill_limit = PREFILL_SIZES[-1]

    def __init__(self, model: DualArModel, num_slots: int, num_positions: int) -> None:
        self.model = model
        self.device = model.device
        self.num_positions = num_positions
        self.steps_ahead = 1
        self.pool = KvPool(model.config.slow, num_slots, num_positions, model.dtype, self.device)
        self._step = FusedStep(model, self.pool)
        self._prefill = FusedPrefill(model, self.pool, PREFILL_SIZES[-1])
        self._row_buckets = doubling(min(SMALLEST_ROW_BUCKET, num_slots), num_slots)
        self._capture = GraphCapture(self.device) if self.device.type == "cuda" else None
        self._steps: dict[int, Callable[[], None]] = {}
        self._prefills: dict[int, Callable[[], None]] = {}
        self._landing = Landing(self._step.frames, num_copies=self.steps_ahead + 1)
        self._launched: deque[list[int]] = deque()
        self._slots = [_Slot(Sampling(), self._no_column()) for _ in range(num_slots)]

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Capture every size; until then, and on a CPU, the kernels are launched one by one."""
        if self._capture is None:
            return
        self._step.table.fill([])
        self._prefill.table.fill([])
        for num_rows in reversed(self._row_buckets):
            self._steps[num_rows] = self._capture.capture(partial(self._step.run, num_rows))
        for num_rows in reversed(PREFILL_SIZES):
            self._prefills[num_rows] = self._capture.capture(partial(self._prefill.run, num_rows))

    def open(self, slot: int, sampling: Sampling) -> None:
        """Give a slot to a new sequence; the device learns it with the slot's first frame."""
        self._slots[slot] = _Slot(sampling, self._no_column())

    @torch.inference_mode()
    def discard(self, slot: int) -> None:
        """Forget what a failed sequence left in its slot."""
        self.pool.clear(slot)

    @torch.inference_mode()
    def prefill_pieces(self, pieces: Sequence[PromptPiece]) -> None:
        """Store keys and values of prompt columns, as many pieces in one go as fit; this waits for nothing.

        Args:
            pieces: Each of another slot.

        Raises:
            ValueError: a piece has too many columns.
        """
        rows: list[TableRow | None] = []
        for piece in pieces:
            length = piece.columns.shape[1]
            if length > self.prefill_limit:
                raise ValueError(f"a piece of {length} columns; allowed: {self.prefill_limit}")
            if len(rows) + length > self.prefill_limit:
                self._run_prefill(rows)
                rows = []
            rows += [TableRow(piece.start + i, piece.slot, piece.columns[:, i]) for i in range(length)]
            rows += [None] * (-len(rows) % PREFILL_ATTENTION.queries)
        if rows:
            self._run_prefill(rows)

    def prefill(self, slot: int, columns: Columns, start: int) -> None:
        """Store keys and values of the columns ``[1 + num_codebooks, S]`` of one prompt, from a position on."""
        self.prefill_pieces([PromptPiece(slot, columns, start)])

    def start(self, slot: int, column: npt.NDArray[np.int64]) -> None:
        """Set the column a slot decodes from next; its penalty window starts empty."""
        self._slots[slot] = _Slot(self._slots[slot].sampling, column.copy())

    @torch.inference_mode()
    def launch(self, rows: Sequence[Row]) -> None:
        """Begin to decode one frame of each row; this waits for nothing."""
        table: list[TableRow | None] = [None] * self.pool.num_slots
        for row in rows:
            slot = self._slots[row.slot]
            table[row.slot] = TableRow(row.position, row.slot, slot.column, slot.age, row.draw_number, slot.sampling)
        self._step.table.fill(table)
        most = max(row.slot for row in rows)
        num_rows = next(bucket for bucket in self._row_buckets if bucket > most)
        self._steps.get(num_rows, partial(self._step.run, num_rows))()
        self._landing.send(self._step.frames)
        self._launched.append([row.slot for row in rows])
        for row in rows:  # at the end: a step that could not be launched may be tried again
            self._slots[row.slot].age += 1

    def collect(self) -> list[Frame]:
        """Wait for the frames of the oldest step that was not collected."""
        slots = self._launched.popleft()
        codes: npt.NDArray[np.int32] = self._landing.read().numpy()[slots]  # a copy
        return frames_of(codes, self.model.num_semantic, UNSOUND)

    def decode(self, rows: Sequence[Row]) -> list[Frame]:
        """Decode one frame of each row, and wait for it."""
        self.launch(rows)
        return self.collect()

    def forget(self) -> None:
        """Give up the steps that were launched and not collected."""
        self._launched.clear()
        self._landing.forget()

    def is_lost(self) -> bool:
        """Whether the device is lost."""
        return is_lost(self.device)

    def _run_prefill(self, rows: list[TableRow | None]) -> None:
        num_rows = next(size for size in PREFILL_SIZES if size >= len(rows))
        self._prefill.table.fill(rows)
        self._prefills.get(num_rows, partial(self._prefill.run, num_rows))()

    def _no_column(self) -> npt.NDArray[np.int64]:
        return np.zeros(1 + self.model.config.num_codebooks, dtype=np.int64)
