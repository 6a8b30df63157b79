"""Bare samples: 16-bit integers, floats, and the telephone's two logarithmic codes."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from s1_gateway.encoding.samples import FloatSamples, to_int16

Codes = npt.NDArray[np.uint8]


class Int16Writer:
    """Little-endian 16-bit samples."""

    delay_samples = 0

    def write(self, samples: FloatSamples) -> bytes:
        """Give the samples' bytes."""
        return to_int16(samples).tobytes()

    def close(self) -> bytes:
        """Nothing is held back."""
        return b""


class Float32Writer:
    """Little-endian 32-bit floats; full scale is 1."""

    delay_samples = 0

    def write(self, samples: FloatSamples) -> bytes:
        """Give the samples' bytes."""
        return samples.astype("<f4").tobytes()

    def close(self) -> bytes:
        """Nothing is held back."""
        return b""


class LogarithmicWriter:
    """One byte a sample, by a table over all 16-bit samples.

    Args:
        codes: The byte of each sample, indexed by the sample's 16 bits as an unsigned number.
    """

    delay_samples = 0

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    def write(self, samples: FloatSamples) -> bytes:
        """Give the samples' codes."""
        return self._codes[to_int16(samples).view(np.uint16)].tobytes()

    def close(self) -> bytes:
        """Nothing is held back."""
        return b""


def _mulaw_codes() -> Codes:
    """Make G.711's µ-law: sign, 3 bits of exponent, 4 of mantissa over a bias of 33 at 14 bits, all inverted."""
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(samples), 32_635) + 132  # 33 at 14 bits is 132 at 16
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    codes: Codes = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return codes


def _alaw_codes() -> Codes:
    """Make G.711's A-law: sign, 3 bits of exponent, 4 of mantissa of 13 bits, every second bit inverted."""
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(samples >= 0, samples, -samples - 1) >> 3  # 12 bits and the sign
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    mantissa = (magnitude >> np.maximum(exponent, 1)) & 0x0F
    sign = np.where(samples >= 0, 0x80, 0)
    codes: Codes = ((sign | exponent << 4 | mantissa) ^ 0x55).astype(np.uint8)
    return codes


class MulawWriter(LogarithmicWriter):
    """G.711 µ-law."""

    CODES: ClassVar[Codes] = _mulaw_codes()

    def __init__(self) -> None:
        super().__init__(self.CODES)


class AlawWriter(LogarithmicWriter):
    """G.711 A-law."""

    CODES: ClassVar[Codes] = _alaw_codes()

    def __init__(self) -> None:
        super().__init__(self.CODES)
