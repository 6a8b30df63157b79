"""Speed with the pitch kept: ffmpeg's ``atempo``, which overlaps pieces of the sound where their waves fit (WSOLA)."""

import numpy as np

from s1_gateway.encoding.filters import FilterChain
from s1_gateway.encoding.samples import Blocks, FloatSamples

BLOCK_SAMPLES = 512
"""atempo's samples depend on how the sound was cut; so it is always cut into these."""
MIN_FILTER_TEMPO, MAX_FILTER_TEMPO = 0.5, 2.0
"""Of one filter: slower is refused, faster leaves pieces out. Two in a row reach 0.25 to 4."""
FLUSH_SAMPLES = 16_384
"""Silence behind the end that brings the last samples out of the filters."""


class TimeStretch:
    """Makes the sound shorter or longer, to the exact length.

    Args:
        speed: 0.25 to 4; 2 is twice as fast.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._chain = FilterChain([("atempo", f"{tempo:.9f}") for tempo in tempos(speed)])
        self._blocks = Blocks(BLOCK_SAMPLES)
        self._taken_samples = 0
        self._given_samples = 0

    def process(self, samples: FloatSamples) -> FloatSamples:
        """Take a piece; the first samples come after 46 ms (slower) to 0.2 s (four times as fast) of sound."""
        self._taken_samples += len(samples)
        parts = [self._chain.push(block) for block in self._blocks.push(samples)]
        stretched: FloatSamples = np.concatenate(parts) if parts else np.empty(0, np.float32)
        self._given_samples += len(stretched)
        return stretched

    def finish(self) -> FloatSamples:
        """Give the rest."""
        wanted = round(self._taken_samples / self._speed) - self._given_samples
        rest = self._blocks.take_rest()
        silence = np.zeros(-len(rest) % BLOCK_SAMPLES + FLUSH_SAMPLES, np.float32)
        last: FloatSamples = self.process(np.concatenate([rest, silence]))[: max(wanted, 0)]
        return last


def tempos(speed: float) -> list[float]:
    """Split a speed into the filters' tempos: one, or two alike."""
    return [speed] if MIN_FILTER_TEMPO <= speed <= MAX_FILTER_TEMPO else [speed**0.5] * 2
