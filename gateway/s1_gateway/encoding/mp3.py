"""MP3 at a constant bit rate, by LAME."""

import lameenc

from s1_gateway.encoding.mp3_info import info_frame, stream_info_frame
from s1_gateway.encoding.samples import FloatSamples, to_int16

QUALITY = 5
"""Of LAME's 0 (slow) to 9; higher ones cost half as much, lower ones up to three times as much."""
ENCODER_DELAY_SAMPLES = 576
"""A decoder adds 529 of its own, which each knows of."""


class Mp3Frames:
    """Frames of MPEG layer III, without anything before them.

    Args:
        rate_hz: Samples per second.
        bit_rate_bps: One of the rates that the format has at that sample rate.
    """

    def __init__(self, rate_hz: int, bit_rate_bps: int) -> None:
        self._encoder = lameenc.Encoder()
        self._encoder.silence()
        self._encoder.set_channels(1)
        self._encoder.set_in_sample_rate(rate_hz)
        self._encoder.set_out_sample_rate(rate_hz)  # LAME takes a lower rate for low bit rates by itself
        self._encoder.set_bit_rate(bit_rate_bps // 1000)
        self._encoder.set_quality(QUALITY)
        self._is_empty = True

    def write(self, samples: FloatSamples) -> bytes:
        """Take a piece; the first frame is whole after two frames and a bit."""
        if not len(samples):
            return b""
        self._is_empty = False
        return bytes(self._encoder.encode(to_int16(samples).tobytes()))

    def close(self) -> bytes:
        """Give the last frames."""
        if self._is_empty:
            return b""  # LAME is not set up before the first samples
        return bytes(self._encoder.flush())


class Mp3Writer:
    """A streamed MP3: its first frame tells the delay, and nothing that would have to be put right at the end.

    Args:
        rate_hz: Samples per second.
        bit_rate_bps: One of the rates that the format has at that sample rate.
    """

    delay_samples = 0
    """The delay is declared, players drop it."""

    def __init__(self, rate_hz: int, bit_rate_bps: int) -> None:
        self._stream = Mp3Frames(rate_hz, bit_rate_bps)
        self._has_begun = False

    def write(self, samples: FloatSamples) -> bytes:
        """Take a piece; the first frame comes with the first frame of sound."""
        return self._with_info(self._stream.write(samples))

    def close(self) -> bytes:
        """Give the last frames."""
        return self._with_info(self._stream.close())

    def _with_info(self, frames: bytes) -> bytes:
        if self._has_begun or not frames:
            return frames
        self._has_begun = True
        return stream_info_frame(frames[:4], delay_samples=ENCODER_DELAY_SAMPLES) + frames


class WholeMp3Writer:
    """An MP3 file whose first frame tells the exact length and the delay; all of it comes at the end.

    Args:
        rate_hz: Samples per second.
        bit_rate_bps: One of the rates that the format has at that sample rate.
    """

    delay_samples = 0
    """The delay is declared, players drop it."""

    def __init__(self, rate_hz: int, bit_rate_bps: int) -> None:
        self._stream = Mp3Frames(rate_hz, bit_rate_bps)
        self._frames = bytearray()
        self._samples = 0

    def write(self, samples: FloatSamples) -> bytes:
        """Keep the frames."""
        self._samples += len(samples)
        self._frames += self._stream.write(samples)
        return b""

    def close(self) -> bytes:
        """Give the file."""
        frames = bytes(self._frames + self._stream.close())
        if not frames:
            return b""
        return info_frame(frames, delay_samples=ENCODER_DELAY_SAMPLES, sound_samples=self._samples) + frames
