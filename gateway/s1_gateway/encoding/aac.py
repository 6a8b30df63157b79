"""AAC in ADTS frames, by ffmpeg's encoder and muxer."""

from fractions import Fraction

import av
import numpy as np

from s1_gateway.encoding.one_cpu import count_one_cpu
from s1_gateway.encoding.samples import Blocks, FloatSamples

FRAME_SAMPLES = 1024
DELAY_SAMPLES = 1024
"""Of the encoder; ADTS has no field to tell a player of it."""
CODER = "fast"
"""It costs a third of the usual one, and from 96 kb/s on speech comes back as near to the original."""


class Outbox:
    """A file that can only be written, for a muxer; what was written is taken away piece by piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Give what was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class AacWriter:
    """Frames of 1024 samples with a header each; nothing stands before the first.

    Args:
        rate_hz: Samples per second.
        bit_rate_bps: On average.
    """

    delay_samples = DELAY_SAMPLES

    def __init__(self, rate_hz: int, bit_rate_bps: int) -> None:
        count_one_cpu()
        self._rate_hz = rate_hz
        self._file = Outbox()
        self._container = av.open(self._file, "w", format="adts")
        self._stream = self._container.add_stream("aac", rate=rate_hz, layout="mono", options={"aac_coder": CODER})
        self._stream.codec_context.format = "fltp"
        self._stream.codec_context.time_base = Fraction(1, rate_hz)
        self._stream.codec_context.bit_rate = bit_rate_bps
        self._blocks = Blocks(FRAME_SAMPLES)
        self._encoded_samples = 0

    def write(self, samples: FloatSamples) -> bytes:
        """Take a piece; gives the frames that are whole."""
        for block in self._blocks.push(samples):
            self._encode(block)
        return self._file.take()

    def close(self) -> bytes:
        """Give the last frames; a frame of silence, if no sound came."""
        rest = self._blocks.take_rest()
        if len(rest) or not self._encoded_samples:
            self._encode(rest if len(rest) else np.zeros(FRAME_SAMPLES, np.float32))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.take()

    def _encode(self, samples: FloatSamples) -> None:
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts = self._encoded_samples
        packets = self._stream.encode(frame)
        self._encoded_samples += len(samples)
        self._container.mux(packets)
