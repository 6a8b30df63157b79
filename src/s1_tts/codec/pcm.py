"""Float samples to 16-bit PCM."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FULL_SCALE = 32767
"""What 1.0 becomes; -1.0 becomes -32767, so that silence stays in the middle."""

UNSOUND = -32768
"""What a sample becomes that is no finite number; no other does."""


def to_pcm16(samples: Tensor) -> npt.NDArray[np.int16]:
    """Convert samples one by one, so that the result is the same for every chunking.

    Rounds to the nearest step, halves to the even one, and clips what is over full scale. What is no finite number
    becomes ``UNSOUND``, so that a GPU is not asked about it separately.

    Args:
        samples: ``[N]`` float in [-1, 1], on any device.

    Returns:
        ``[N]`` int16.
    """
    steps = samples.float().mul(FULL_SCALE).round_().clamp_(-FULL_SCALE, FULL_SCALE)
    steps = steps.masked_fill_(~torch.isfinite(samples), UNSOUND).to(torch.int16)
    if steps.is_cuda:
        host = torch.empty(steps.shape, dtype=torch.int16, pin_memory=True)
        host.copy_(steps, non_blocking=True)
        torch.cuda.current_stream(steps.device).synchronize()
        steps = host
    pcm: npt.NDArray[np.int16] = steps.numpy()
    return pcm
