"""Uniform noise that is a function of a request's seed, the number of the frame, the codebook and the code.

Philox4x64-10 by numpy on a CPU, by ``fused/kernels/philox.py`` on a GPU: the same numbers, so a seed means the same on
both, and no generator has a state that could be lost or shared.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK = 8
"""Numbers of a block: four words of 64 bits, two numbers each."""


@dataclass(frozen=True)
class NoiseLayout:
    """Where the numbers of each codebook are among those of a frame; each codebook begins with a block.

    Args:
        num_semantic: Candidates of the first codebook, the end of the utterance among them.
        num_residual: Candidates of every other codebook.
        num_codebooks: Codebooks of a frame.
    """

    num_semantic: int
    num_residual: int
    num_codebooks: int

    def begin(self, codebook: int) -> int:
        """Index of the first number of a codebook."""
        if codebook == 0:
            return 0
        return _whole_blocks(self.num_semantic) + (codebook - 1) * _whole_blocks(self.num_residual)

    @property
    def size(self) -> int:
        """Numbers of a frame."""
        return self.begin(self.num_codebooks)


class FrameNoise:
    """Draws the noise of any frame of any seed.

    Args:
        size: Numbers of a frame, a multiple of ``BLOCK``; see :class:`NoiseLayout`.
    """

    def __init__(self, size: int) -> None:
        self._num_words = size // 2
        self._generator = np.random.Philox(key=0)
        self._state = self._generator.state

    def draw(self, seed: int, frame: int) -> npt.NDArray[np.float32]:
        """Numbers in [0, 1) in steps of 2^-24, ``[size]``.

        Args:
            seed: 0 to 2^63 - 1.
            frame: Number of the draw, from 0.
        """
        state = self._state
        state["state"]["counter"][:] = (0, frame, 0, 0)
        state["state"]["key"][:] = (seed, 0)
        state["buffer_pos"], state["has_uint32"] = 4, 0
        self._generator.state = state
        words = self._generator.random_raw(self._num_words).astype("<u8", copy=False)
        steps = words.view("<u4") >> 8
        return steps.astype(np.float32) * np.float32(2.0**-24)


def _whole_blocks(count: int) -> int:
    return -(-count // BLOCK) * BLOCK
