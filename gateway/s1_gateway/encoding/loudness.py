"""Volume, one loudness for all voices, and no clipping, in blocks of 5 ms."""

import math

import numpy as np

from s1_gateway.encoding.samples import Blocks, FloatSamples

BLOCK_SAMPLES = 220
CEILING = 0.95
"""Highest peak that leaves, of full scale: some room for what resampling and codecs add."""
RECOVERY = 1.01
"""Factor a block by which a gain turned down for a peak comes back: to double takes 0.35 s."""

TARGET_POWER = 10.0 ** (-20 / 10)
"""Mean square of speech that a voice is brought to."""
SPEECH_POWER = 10.0 ** (-45 / 10)
"""A block under this is a pause, and says nothing of the voice."""
MAX_CHANGE_DB = 12.0
"""A voice is made louder or quieter by this at most."""
SETTLING_BLOCKS = 200
"""Speech after which half of the difference to the target is made up: 1 s."""


class Loudness:
    """Multiplies by a gain that changes smoothly, and turns it down before a peak that would clip.

    Normalising starts from the voice as it is and trusts the mean power of the speech so far more, the more of it
    there is: a stream cannot know how loud its rest will be, so the first second changes little.

    Args:
        volume_db: -20 to 20.
        is_normalized: Bring the voice to one loudness before the volume is added.
    """

    def __init__(self, volume_db: float, *, is_normalized: bool) -> None:
        self._volume = math.pow(10, volume_db / 20)
        self._is_normalized = is_normalized
        self._blocks = Blocks(BLOCK_SAMPLES)
        self._ramp = np.arange(BLOCK_SAMPLES, dtype=np.float32) / np.float32(BLOCK_SAMPLES)
        self._speech_blocks = 0
        self._speech_power = 0.0
        self._waiting: FloatSamples | None = None  # the block whose end depends on the next one
        self._waiting_gain = 0.0  # that it can bear
        self._edge_gain = 0.0  # at its beginning

    def process(self, samples: FloatSamples) -> FloatSamples:
        """Take a piece; gives all blocks but the last, 5 ms late."""
        return self._join([part for block in self._blocks.push(samples) if (part := self._step(block)) is not None])

    def finish(self) -> FloatSamples:
        """Give the rest."""
        rest = self._blocks.take_rest()
        parts = []
        if len(rest):
            padded = np.zeros(BLOCK_SAMPLES, np.float32)
            padded[: len(rest)] = rest
            parts.append(self._step(padded))
        if self._waiting is not None:
            last = self._waiting * np.float32(min(self._edge_gain, self._waiting_gain))
            parts.append(last[: len(rest) or BLOCK_SAMPLES])
        return self._join([part for part in parts if part is not None])

    def _step(self, block: FloatSamples) -> FloatSamples | None:
        """Take the next block; gives the one before it, whose gain goes straight from edge to edge."""
        peak = float(np.abs(block).max())
        wanted = self._wanted_gain(block)
        gain = min(wanted, CEILING / peak) if peak else wanted
        before, gain_before = self._waiting, self._waiting_gain
        self._waiting, self._waiting_gain = block, gain
        if before is None:
            self._edge_gain = gain
            return None
        start = self._edge_gain
        # no edge is over what the blocks on its two sides can bear, so nothing between them is either
        end = min(gain_before, gain, start * RECOVERY)
        self._edge_gain = end
        return before * (np.float32(start) + np.float32(end - start) * self._ramp)

    def _wanted_gain(self, block: FloatSamples) -> float:
        if not self._is_normalized:
            return self._volume
        power = float(np.dot(block, block)) / len(block)
        if power > SPEECH_POWER:
            self._speech_blocks += 1
            self._speech_power += (power - self._speech_power) / self._speech_blocks
        if not self._speech_blocks:
            return self._volume
        difference_db = 10 * math.log10(TARGET_POWER / self._speech_power)
        trust = self._speech_blocks / (self._speech_blocks + SETTLING_BLOCKS)
        change_db = min(max(difference_db, -MAX_CHANGE_DB), MAX_CHANGE_DB) * trust
        return self._volume * math.pow(10, change_db / 20)

    @staticmethod
    def _join(parts: list[FloatSamples]) -> FloatSamples:
        return np.concatenate(parts) if parts else np.empty(0, np.float32)
