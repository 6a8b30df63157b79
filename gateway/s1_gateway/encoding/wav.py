"""WAV: 16-bit samples behind a header of 44 bytes."""

import struct

from s1_gateway.encoding.samples import FloatSamples, to_int16

UNKNOWN_BYTES = 0xFFFFFFFF
"""A size that is not known yet; readers that know streams take it so in both fields, and in no other way."""
HEADER_BYTES = 44


def wav_header(rate_hz: int, data_bytes: int | None) -> bytes:
    """Make a header.

    Args:
        rate_hz: Samples per second.
        data_bytes: Of the sound behind it; None for a stream.
    """
    riff_bytes = UNKNOWN_BYTES if data_bytes is None else data_bytes + HEADER_BYTES - 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,  # integers
        1,  # channel
        rate_hz,
        2 * rate_hz,
        2,
        16,
        b"data",
        UNKNOWN_BYTES if data_bytes is None else data_bytes,
    )


class WavWriter:
    """A streamed WAV file: the header comes with the first sound and says that the length is not known.

    Args:
        rate_hz: Samples per second.
    """

    delay_samples = 0

    def __init__(self, rate_hz: int) -> None:
        self._header = wav_header(rate_hz, None)

    def write(self, samples: FloatSamples) -> bytes:
        """Give the samples' bytes."""
        if not len(samples):
            return b""
        header, self._header = self._header, b""
        return header + to_int16(samples).tobytes()

    def close(self) -> bytes:
        """Give the header, if no sound came."""
        header, self._header = self._header, b""
        return header


class WholeWavWriter:
    """A WAV file whose header tells the true length; all of it comes at the end.

    Args:
        rate_hz: Samples per second.
    """

    delay_samples = 0

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._pieces: list[bytes] = []

    def write(self, samples: FloatSamples) -> bytes:
        """Keep the samples."""
        self._pieces.append(to_int16(samples).tobytes())
        return b""

    def close(self) -> bytes:
        """Give the file."""
        header = wav_header(self._rate_hz, sum(map(len, self._pieces)))
        whole = b"".join([header, *self._pieces])  # the only copy: a worker holds many of them
        self._pieces.clear()
        return whole
