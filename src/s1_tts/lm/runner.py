"""Runs the model by torch's layers, or by those compiled for a CPU: prefill and decode by slot."""

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from s1_tts.cuda import is_lost
from s1_tts.lm.cuda_graphs import GraphedDecode
from s1_tts.lm.decode import UNSOUND, SlotState, StepRows, decode_step
from s1_tts.lm.kv_cache import KvPool, Span, SpanAttention
from s1_tts.lm.model import DualArModel
from s1_tts.lm.prompt import Columns
from s1_tts.lm.stepping import Frame, PromptPiece, Row, frames_of
from s1_tts.speech_task import Sampling


class ModelRunner:
    """The model with its KV pool and per-slot state; see :class:`s1_tts.lm.stepping.Runner`.

    Args:
        model: The model, on its device, its tables made for ``num_positions`` and one more.
        num_slots: Sequences at once.
        num_positions: Longest sequence.
        use_cuda_graphs: Capture decode steps on a CUDA device; without one it means nothing.
    """

    steps_ahead = 0
    prefill_limit = 0

    def __init__(
        self,
        model: DualArModel,
        num_slots: int,
        num_positions: int,
        *,
        use_cuda_graphs: bool = True,
    ) -> None:
        self.model = model
        self.num_positions = num_positions
        self.device = model.device
        self.pool = KvPool(model.config.slow, num_slots, num_positions + 1, model.dtype, self.device)
        self.state = SlotState(model, num_slots)
        is_graphed = use_cuda_graphs and self.device.type == "cuda"
        self._graphed = GraphedDecode(model, self.state, self.pool) if is_graphed else None
        self._launched: deque[tuple[Sequence[Row], torch.Tensor]] = deque()

    def warm_up(self) -> None:
        """Run what later requests will run, so that none of them pays for the first time."""
        if self._graphed is not None:
            self._graphed.capture_all()
        self.open(0, Sampling(temperature=1.0))
        column = np.zeros((1 + self.model.config.num_codebooks, 2), dtype=np.int64)
        self.prefill(0, column, start=0)
        self.start(0, column[:, 0])
        self.decode([Row(slot=0, position=2)])

    def open(self, slot: int, sampling: Sampling) -> None:
        """Give a slot to a new sequence."""
        self.state.open(slot, sampling)

    def discard(self, slot: int) -> None:
        """Forget what a failed sequence left in its slot."""
        self.pool.clear(slot)

    @torch.inference_mode()
    def prefill(self, slot: int, columns: Columns, start: int) -> None:
        """Store keys and values of prompt columns.

        Args:
            slot: Slot of the sequence.
            columns: ``[1 + num_codebooks, S]``.
            start: Position of the first column.
        """
        end = start + columns.shape[1]
        attend = SpanAttention(self.pool, [Span(slot, start, end)])
        self.model.forward_slow(torch.from_numpy(columns).to(self.device)[None], attend.positions, attend)

    def prefill_pieces(self, pieces: Sequence[PromptPiece]) -> None:
        """Store keys and values of prompt columns, one piece after another."""
        for piece in pieces:
            self.prefill(piece.slot, piece.columns, piece.start)

    @torch.inference_mode()
    def start(self, slot: int, column: npt.NDArray[np.int64]) -> None:
        """Set the column ``[1 + num_codebooks]`` a slot decodes from next; its penalty window starts empty."""
        self.state.start(slot, torch.from_numpy(column).to(self.device))

    @torch.inference_mode()
    def launch(self, rows: Sequence[Row]) -> None:
        """Begin to decode one frame of each row; collect it before the next step is launched."""
        self.state.draw_noise(rows)
        frames = self._decode_spans(rows) if self._graphed is None else self._graphed.decode(rows)
        self._launched.append((rows, frames))

    @torch.inference_mode()
    def collect(self) -> list[Frame]:
        """Frames of the step that was launched; this waits for the device once, to read them."""
        rows, frames = self._launched.popleft()
        codes = _to_host(frames)
        if self._graphed is not None:
            codes = codes[[row.slot for row in rows]]
        return frames_of(codes, self.model.num_semantic, UNSOUND)

    def decode(self, rows: Sequence[Row]) -> list[Frame]:
        """Decode one frame of each row, and wait for it."""
        self.launch(rows)
        return self.collect()

    def forget(self) -> None:
        """Give up the steps that were launched and not collected."""
        self._launched.clear()

    def is_lost(self) -> bool:
        """Whether the device is lost."""
        return is_lost(self.device)

    def _decode_spans(self, rows: Sequence[Row]) -> torch.Tensor:
        attend = SpanAttention(self.pool, [Span(row.slot, row.position, row.position + 1) for row in rows])
        step_rows = StepRows(slots=attend.slots, positions=attend.positions[:, 0], attend=attend)
        return decode_step(self.model, self.state, step_rows)


def _to_host(frames: torch.Tensor) -> npt.NDArray[np.int32]:
    """Read frames from the device: the one place where a step waits for it."""
    return frames.to(dtype=torch.int32).cpu().numpy()
