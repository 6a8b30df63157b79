"""Sound at another rate, while it is still coming."""

import numpy as np
import numpy.typing as npt
import soxr

from s1_protocol.sound import SAMPLE_RATE_HZ


class Resampler:
    """Brings a stream of samples to another rate, without seams and to the last sample.

    Args:
        rate_hz: Samples per second wanted.
        from_hz: Samples per second that come.
    """

    def __init__(self, rate_hz: int, from_hz: int = SAMPLE_RATE_HZ) -> None:
        self._stream = soxr.ResampleStream(from_hz, rate_hz, num_channels=1, dtype="int16", quality="HQ")
        self._is_needed = rate_hz != from_hz

    def convert(self, samples: npt.NDArray[np.int16], *, is_last: bool) -> npt.NDArray[np.int16]:
        """Take the next samples.

        Args:
            samples: 16-bit mono ``[samples]``; there may be none.
            is_last: Whether no more follow.

        Returns:
            The samples ``[samples]`` that are certain by now, all of them at the last call.
        """
        if not self._is_needed:
            return samples
        converted: npt.NDArray[np.int16] = self._stream.resample_chunk(samples, last=is_last)
        return converted
