"""One decode step: the frame of codes that follows, for a batch of rows. Tensors in, tensors out.

The step reads and updates per-slot tensors in place and never looks at their values from the host, so that on CUDA
it can be captured once and replayed (see ``cuda_graphs.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s1_tts.lm.layers import Attend
from s1_tts.lm.model import DualArModel
from s1_tts.lm.noise import FrameNoise, NoiseLayout
from s1_tts.lm.sampling import NO_CODE, PENALTY_WINDOW_FRAMES, RowSampling, gumbel
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling

UNSOUND = -1
"""First value of a frame whose logits were not all finite."""


class SlotState:
    """What the step needs to know of each slot, as tensors that stay where they are.

    Args:
        model: The model, its tables made.
        num_slots: Slots of the KV pool.
    """

    def __init__(self, model: DualArModel, num_slots: int) -> None:
        config = model.config
        device = model.device
        self.columns = torch.zeros(num_slots, 1 + config.num_codebooks, dtype=torch.int64, device=device)
        self.window = torch.full(
            (num_slots, config.num_codebooks, PENALTY_WINDOW_FRAMES), NO_CODE, dtype=torch.int64, device=device
        )
        self.options = torch.ones(num_slots, 3, device=device)  # as Sampling.row
        self.layout = NoiseLayout(model.num_semantic + 1, config.num_residual_codes, config.num_codebooks)
        self.noise = torch.zeros(num_slots, self.layout.size, device=device)  # uniform in [0, 1)
        self._seeds: list[int | None] = [None] * num_slots
        self._frame_noise = FrameNoise(self.layout.size)

    def open(self, slot: int, sampling: Sampling) -> None:
        """Give a slot the sampling options of a new sequence."""
        self.options[slot] = torch.tensor(sampling.row, device=self.options.device)
        is_greedy = sampling.temperature == 0
        self._seeds[slot] = None if is_greedy else sampling.seed
        if is_greedy:
            self.noise[slot] = 0.0  # unused by a greedy row, but it must not hold what another one left

    def start(self, slot: int, column: Tensor) -> None:
        """Set the column a slot decodes from next, and forget the frames before it."""
        self.columns[slot] = column
        self.window[slot] = NO_CODE

    def draw_noise(self, rows: Sequence[Row]) -> None:
        """Draw a frame's random numbers: they follow from each row's seed and the number of its draw."""
        for row in rows:
            seed = self._seeds[row.slot]
            if seed is not None:
                self.noise[row.slot] = torch.from_numpy(self._frame_noise.draw(seed, row.draw_number))


@dataclass(frozen=True)
class StepRows:
    """Rows of a step.

    Args:
        slots: Their slots: an index tensor ``[B]``, or a slice of the first slots (then all updates are in place).
        positions: Positions of their next columns ``[B]``, int64.
        attend: Where their keys and values are.
    """

    slots: Tensor | slice
    positions: Tensor
    attend: Attend


def decode_step(model: DualArModel, state: SlotState, rows: StepRows) -> Tensor:
    """Decode the next frame of each row and make it the row's next column.

    Returns:
        Frames ``[B, num_codebooks]``, int64. The first value is the semantic code, ``num_semantic`` where the
        utterance ends, or ``UNSOUND``; the codes of such frames mean nothing.
    """
    temperature, top_p, penalty = state.options[rows.slots].unbind(1)
    options = RowSampling(temperature, top_p, penalty)
    window = state.window[rows.slots]  # [B, num_codebooks, PENALTY_WINDOW_FRAMES]
    noise = gumbel(state.noise[rows.slots])
    columns = state.columns[rows.slots]

    hidden = model.forward_slow(columns[:, :, None], rows.positions[:, None], rows.attend)[:, 0]
    logits = model.semantic_logits(hidden)
    is_sound = _are_finite(logits)
    num_candidates = logits.shape[1]
    semantic = model.sample(logits, options, window[:, 0], noise[:, :num_candidates])
    codes = [semantic.clamp(max=model.num_semantic - 1)]

    frame, logits = model.start_frame(hidden, codes[0])
    for codebook in range(1, model.config.num_codebooks):
        if codebook > 1:
            logits = model.residual_logits(codes[-1], frame)
        is_sound &= _are_finite(logits)
        begin = state.layout.begin(codebook)
        codes.append(model.sample(logits, options, window[:, codebook], noise[:, begin : begin + logits.shape[1]]))

    stacked = torch.stack(codes, dim=1)  # [B, num_codebooks]
    state.window[rows.slots] = torch.cat([window[:, :, 1:], stacked[:, :, None]], dim=2)
    state.columns[rows.slots] = torch.cat([codes[0][:, None] + model.semantic_begin_id, stacked], dim=1)
    told = torch.where(is_sound, semantic, UNSOUND)
    return torch.cat([told[:, None], stacked[:, 1:]], dim=1)


def _are_finite(logits: Tensor) -> Tensor:
    """Whether all of a row's logits are finite ``[B]``: then so is their sum, and else it is not."""
    return torch.isfinite(logits.sum(dim=-1))
