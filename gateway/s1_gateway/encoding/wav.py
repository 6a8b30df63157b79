"""WAV: 16-bit integers or 32-bit floats behind a header of 44 bytes."""

import struct
from dataclasses import dataclass
from typing import Final

from s1_gateway.encoding.pcm import Float32Writer, Int16Writer
from s1_gateway.encoding.samples import FloatSamples
from s1_gateway.encoding.writer import FormatWriter

UNKNOWN_BYTES = 0xFFFFFFFF
"""A size that is not known yet; readers that know streams take it so in both fields, and in no other way."""
HEADER_BYTES = 44


@dataclass(frozen=True)
class Coding:
    """How the samples are written.

    Args:
        tag: What the header calls it.
        sample_bytes: Of one sample.
        writer: Makes the samples' bytes.
    """

    tag: int
    sample_bytes: int
    writer: type[FormatWriter]


INTEGERS: Final = Coding(tag=1, sample_bytes=2, writer=Int16Writer)
FLOATS: Final = Coding(tag=3, sample_bytes=4, writer=Float32Writer)


def wav_header(rate_hz: int, coding: Coding, data_bytes: int | None) -> bytes:
    """Make a header.

    Args:
        rate_hz: Samples per second.
        coding: Of the samples.
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
        coding.tag,
        1,  # channel
        rate_hz,
        coding.sample_bytes * rate_hz,
        coding.sample_bytes,
        8 * coding.sample_bytes,
        b"data",
        UNKNOWN_BYTES if data_bytes is None else data_bytes,
    )


class WavWriter:
    """A streamed WAV file: the header comes with the first sound and says that the length is not known.

    Args:
        rate_hz: Samples per second.
        coding: Of the samples.
    """

    delay_samples = 0

    def __init__(self, rate_hz: int, coding: Coding) -> None:
        self._samples = coding.writer()
        self._header = wav_header(rate_hz, coding, None)

    def write(self, samples: FloatSamples) -> bytes:
        """Give the samples' bytes."""
        if not len(samples):
            return b""
        header, self._header = self._header, b""
        return header + self._samples.write(samples)

    def close(self) -> bytes:
        """Give the header, if no sound came."""
        header, self._header = self._header, b""
        return header


class WholeWavWriter:
    """A WAV file whose header tells the true length; all of it comes at the end.

    Args:
        rate_hz: Samples per second.
        coding: Of the samples.
    """

    delay_samples = 0

    def __init__(self, rate_hz: int, coding: Coding) -> None:
        self._rate_hz = rate_hz
        self._coding = coding
        self._samples = coding.writer()
        self._pieces: list[bytes] = []

    def write(self, samples: FloatSamples) -> bytes:
        """Keep the samples."""
        self._pieces.append(self._samples.write(samples))
        return b""

    def close(self) -> bytes:
        """Give the file."""
        header = wav_header(self._rate_hz, self._coding, sum(map(len, self._pieces)))
        whole = b"".join([header, *self._pieces])  # the only copy: a worker holds many of them
        self._pieces.clear()
        return whole
