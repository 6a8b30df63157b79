"""Draw one code a row, each row with its own options and its own random numbers.

The order is fish-speech 0.1.0's (``logits_to_probs`` in ``text2semantic/inference.py``): penalty, nucleus,
temperature, then a race of the probabilities, each over exponential noise. Other than there, the race is run in
logarithms (the Gumbel-max trick), options keep full precision, temperature 0 is exactly greedy, and the penalty sees
the last frames of the codebook that is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

PENALTY_WINDOW_FRAMES = 16
NO_CODE = -1
"""Fills a penalty window before there are enough frames."""
SMALLEST_UNIFORM = 2.0**-25
"""Stands for the uniform number 0: half a step of float32's generator, which counts in 2^-24."""


@dataclass(frozen=True)
class RowSampling:
    """Options of a batch's rows, each tensor ``[B]``, float32."""

    temperature: Tensor
    top_p: Tensor
    repetition_penalty: Tensor


SampleCodes = Callable[[Tensor, RowSampling, Tensor, Tensor], Tensor]
"""A way to compute :func:`sample_codes`."""


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise from uniform noise in [0, 1): minus the logarithm of exponential noise; always finite."""
    return -torch.log(-torch.log1p(-uniform.clamp(min=SMALLEST_UNIFORM)))


def sample_codes(logits: Tensor, options: RowSampling, window: Tensor, noise: Tensor) -> Tensor:
    """Draw one code a row.

    Args:
        logits: ``[B, V]``, float32.
        options: Options of the rows.
        window: Latest codes of this codebook ``[B, PENALTY_WINDOW_FRAMES]``, int64, ``NO_CODE`` where there is none.
        noise: Gumbel noise ``[B, V]``, float32, drawn by each row's own generator.

    Returns:
        ``[B]``, int64.
    """
    logits = _penalise(logits, window, options.repetition_penalty)
    greedy = logits.argmax(dim=-1)
    kept = _keep_nucleus(logits, options.top_p)
    drawn = (kept / options.temperature.clamp(min=1e-5)[:, None] + noise).argmax(dim=-1)
    return torch.where(options.temperature == 0, greedy, drawn)


def _penalise(logits: Tensor, window: Tensor, penalty: Tensor) -> Tensor:
    vocabulary = logits.shape[1]
    # A code that is not there writes into a column of its own, which is cut off again.
    padded = torch.cat([logits, logits.new_zeros(logits.shape[0], 1)], dim=1)
    index = torch.where(window == NO_CODE, vocabulary, window)
    seen = padded.gather(1, index)
    scale = penalty[:, None]
    penalised = torch.where(seen < 0, seen * scale, seen / scale)
    return padded.scatter(1, index, penalised)[:, :vocabulary]


def _keep_nucleus(logits: Tensor, top_p: Tensor) -> Tensor:
    ordered = _descending(logits)
    mass = torch.softmax(ordered, dim=-1).cumsum(dim=-1)
    num_kept = (mass <= top_p[:, None]).sum(dim=-1, keepdim=True).clamp(min=1)  # the likeliest code always stays
    smallest_kept = ordered.gather(1, num_kept - 1)
    return logits.masked_fill(logits < smallest_kept, -torch.inf)


def _descending(logits: Tensor) -> Tensor:
    """Sort values; on a CPU numpy does it ten times as fast as torch, which sorts positions along with them."""
    if logits.device.type != "cpu":
        return torch.sort(logits, dim=-1, descending=True).values
    return torch.from_numpy(-np.sort(-logits.numpy(), axis=-1))
