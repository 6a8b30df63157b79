"""The engine's rate to the caller's, in floats, without seams and to the last sample."""

import numpy as np
import soxr

from s1_gateway.encoding.filters import FilterChain
from s1_gateway.encoding.samples import FloatSamples
from s1_gateway.encoding.stage import Stage
from s1_protocol.sound import SAMPLE_RATE_HZ

SOXR_FROM_HZ = 16_000


class SoxrResampling:
    """By libsoxr: a third of ffmpeg's cost, but it holds 22 ms (48 kHz) to 81 ms (8 kHz) of sound back.

    Floats, for libsoxr adds dither to 16-bit samples, which falls differently on other pieces of the same sound.

    Args:
        rate_hz: Samples per second wanted.
    """

    def __init__(self, rate_hz: int) -> None:
        self._stream = soxr.ResampleStream(SAMPLE_RATE_HZ, rate_hz, num_channels=1, dtype="float32", quality="HQ")

    def process(self, samples: FloatSamples) -> FloatSamples:
        """Take a piece; gives the samples that are certain by now."""
        converted: FloatSamples = self._stream.resample_chunk(samples)
        return converted

    def finish(self) -> FloatSamples:
        """Give what was held back."""
        rest: FloatSamples = self._stream.resample_chunk(np.empty(0, np.float32), last=True)
        return rest


class TelephoneResampling:
    """By ffmpeg's libswresample, for the rates of telephones: it holds 9 ms back at 8 kHz.

    Up to nine tenths of the band pass as they are; what lies 5 % above it is 90 dB down.

    Args:
        rate_hz: Samples per second wanted.
    """

    def __init__(self, rate_hz: int) -> None:
        self._chain = FilterChain([("aresample", f"{rate_hz}:filter_size=64:cutoff=0.96")])

    def process(self, samples: FloatSamples) -> FloatSamples:
        """Take a piece; gives the samples that are certain by now."""
        return self._chain.push(samples) if len(samples) else samples

    def finish(self) -> FloatSamples:
        """Give what was held back."""
        return self._chain.finish()


def resampling(rate_hz: int) -> Stage:
    """Choose the resampler for a rate."""
    return SoxrResampling(rate_hz) if rate_hz >= SOXR_FROM_HZ else TelephoneResampling(rate_hz)
