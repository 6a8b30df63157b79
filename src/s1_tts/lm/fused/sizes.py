"""Which models the kernels can compute."""

from s1_tts.lm.config import LmConfig

SMALLEST_HEAD_DIM = 16
"""Of the slow transformer: the tensor cores' products have 16 inputs."""


def can_fuse(config: LmConfig) -> bool:
    """Whether the kernels can compute a model of these sizes: widths of heads are powers of two."""
    slow, fast = config.slow.head_dim, config.fast.head_dim
    return all(width & (width - 1) == 0 for width in (slow, fast)) and slow >= SMALLEST_HEAD_DIM
