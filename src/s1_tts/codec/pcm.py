"""Float samples to 16-bit PCM."""

import numpy as np
import numpy.typing as npt
from torch import Tensor

FULL_SCALE = 32767
"""What 1.0 becomes; -1.0 becomes -32767, so that silence stays in the middle."""


def to_pcm16(samples: Tensor) -> npt.NDArray[np.int16]:
    """Convert samples one by one, so that the result is the same for every chunking.

    Rounds to the nearest step, halves to the even one, and clips what is over full scale.

    Args:
        samples: ``[N]`` float in [-1, 1], on any device.

    Returns:
        ``[N]`` int16.
    """
    steps = samples.float().mul(FULL_SCALE).round_().clamp_(-FULL_SCALE, FULL_SCALE)
    pcm: npt.NDArray[np.int16] = steps.to("cpu").numpy().astype(np.int16)
    return pcm
