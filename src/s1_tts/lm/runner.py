"""Runs the model for the engine: prefill and decode by slot, on a CPU or a CUDA device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from s1_tts.lm.cuda_graphs import GraphedDecode
from s1_tts.lm.decode import UNSOUND, SlotState, StepRows, decode_step
from s1_tts.lm.kv_cache import KvPool, Span, SpanAttention
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
    """A slot that decodes, and the position of its next column."""

    slot: int
    position: int


class ModelRunner:
    """The model with its KV pool and per-slot state.

    Args:
        model: The model, on its device, its tables made for ``num_positions`` and one more.
        num_slots: Sequences at once.
        num_positions: Longest sequence.
        use_cuda_graphs: Capture decode steps on a CUDA device; without one it means nothing.
        use_compile: Compile them before they are captured; without a CUDA device it means nothing.
    """

    def __init__(
        self,
        model: DualArModel,
        num_slots: int,
        num_positions: int,
        *,
        use_cuda_graphs: bool = True,
        use_compile: bool = False,
    ) -> None:
        self.model = model
        self.num_positions = num_positions
        self.device = model.device
        self.pool = KvPool(model.config.slow, num_slots, num_positions + 1, model.dtype, self.device)
        self.state = SlotState(model, num_slots)
        is_graphed = use_cuda_graphs and self.device.type == "cuda"
        self._graphed = GraphedDecode(model, self.state, self.pool, use_compile=use_compile) if is_graphed else None

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

    @torch.inference_mode()
    def start(self, slot: int, column: npt.NDArray[np.int64]) -> None:
        """Set the column ``[1 + num_codebooks]`` a slot decodes from next; its penalty window starts empty."""
        self.state.start(slot, torch.from_numpy(column).to(self.device))

    @torch.inference_mode()
    def decode(self, rows: Sequence[Row]) -> list[Frame]:
        """Decode one frame of each row; this waits for the device once, to read the frames."""
        self.state.draw_noise([row.slot for row in rows])
        if self._graphed is not None:
            by_slot = _to_host(self._graphed.decode(rows))
            frames = [by_slot[row.slot] for row in rows]
        else:
            frames = list(_to_host(self._decode_spans(rows)))
        end = self.model.num_semantic
        return [Frame(codes, is_end=bool(codes[0] == end), is_sound=bool(codes[0] != UNSOUND)) for codes in frames]

    def _decode_spans(self, rows: Sequence[Row]) -> torch.Tensor:
        attend = SpanAttention(self.pool, [Span(row.slot, row.position, row.position + 1) for row in rows])
        step_rows = StepRows(slots=attend.slots, positions=attend.positions[:, 0], attend=attend)
        return decode_step(self.model, self.state, step_rows)


def _to_host(frames: torch.Tensor) -> npt.NDArray[np.int32]:
    """Read frames from the device: the one place where a step waits for it."""
    return frames.to(dtype=torch.int32).cpu().numpy()
