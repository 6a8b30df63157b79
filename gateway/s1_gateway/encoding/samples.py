"""Samples as numbers: 16-bit integers come in, floats are worked on."""

import numpy as np
import numpy.typing as npt

Int16Samples = npt.NDArray[np.int16]
FloatSamples = npt.NDArray[np.float32]
"""Mono samples ``[n]``, full scale is 1."""

FULL_SCALE = 32768.0


def to_float(samples: Int16Samples) -> FloatSamples:
    """Turn 16-bit samples into floats; :func:`to_int16` gives the same samples back."""
    # in one step: of large pieces each array comes from the system anew, in pages to be filled with zeros
    return np.multiply(samples, np.float32(1 / FULL_SCALE), dtype=np.float32)


def to_int16(samples: FloatSamples) -> Int16Samples:
    """Round to 16 bits; what is over full scale stays at it."""
    scaled = samples * np.float32(FULL_SCALE)
    np.rint(scaled, out=scaled)
    # np.clip takes twice as long as both of these
    np.maximum(scaled, np.float32(-FULL_SCALE), out=scaled)
    np.minimum(scaled, np.float32(FULL_SCALE - 1), out=scaled)
    return scaled.astype("<i2")


class Blocks:
    """Cuts pieces of any length into blocks of one length.

    Args:
        length: Of a block, in samples.
        before: Samples that stand before the first piece.
    """

    def __init__(self, length: int, before: FloatSamples | None = None) -> None:
        self._length = length
        self._rest: FloatSamples = np.empty(0, np.float32) if before is None else before

    def push(self, samples: FloatSamples) -> FloatSamples:
        """Append samples.

        Returns:
            All whole blocks ``[blocks, length]``; none is empty, but there may be no block.
        """
        held = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(held) - len(held) % self._length
        self._rest = held[whole:].copy()
        return held[:whole].reshape(-1, self._length)

    def take_rest(self) -> FloatSamples:
        """Give what is left, less than a block, and forget it."""
        rest, self._rest = self._rest, np.empty(0, np.float32)
        return rest
