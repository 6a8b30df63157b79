"""Ogg/Opus in packets of 20 ms, by libopus."""

import secrets
import struct
from fractions import Fraction

import av
import numpy as np
from av.codec import CodecContext

from s1_gateway.encoding.ogg import FIRST_PAGE, GRANULE_RATE_HZ, LAST_PAGE, OggPages, opus_head, opus_tags
from s1_gateway.encoding.one_cpu import count_one_cpu
from s1_gateway.encoding.samples import Blocks, FloatSamples

FRAMES_A_SECOND = 50
COMPLEXITY = 5
"""Of libopus' 0 to 10; 10 costs more than twice as much."""
PAGE_PACKETS = 10
"""Of a page at most, 0.2 s; a page of one packet costs 11 kb/s in headers."""
VENDOR = "s1-gateway"
DROPPED_TICKS = 3840
"""What players drop at the beginning, at 48 kHz. libopus needs 312; but VLC drops 80 ms, whatever the header says."""


class OpusWriter:
    """The stream's two header pages come with the first sound; its end tells the exact length.

    Args:
        rate_hz: Samples per second: 8000, 12000, 16000, 24000 or 48000.
        bit_rate_bps: On average.
    """

    delay_samples = 0
    """The delay, and silence before it, are declared: players drop both."""

    def __init__(self, rate_hz: int, bit_rate_bps: int) -> None:
        count_one_cpu()
        codec = CodecContext.create("libopus", "w")
        codec.sample_rate = rate_hz
        codec.layout = "mono"
        codec.format = "flt"
        codec.bit_rate = bit_rate_bps
        codec.time_base = Fraction(1, rate_hz)
        codec.options = {"compression_level": str(COMPLEXITY), "frame_duration": "20", "vbr": "constrained"}
        codec.open()
        self._codec = codec
        self._rate_hz = rate_hz
        self._frame_samples = rate_hz // FRAMES_A_SECOND
        self._ticks = GRANULE_RATE_HZ // rate_hz  # granule positions a sample
        (delay_ticks,) = struct.unpack_from("<H", codec.extradata or b"", 10)  # of its OpusHead
        silence = np.zeros((DROPPED_TICKS - delay_ticks) // self._ticks, np.float32)
        self._blocks = Blocks(self._frame_samples, silence)
        self._pages = OggPages(secrets.randbits(32))
        self._taken_samples = 0
        self._encoded_samples = 0
        self._has_headers = False

    def write(self, samples: FloatSamples) -> bytes:
        """Take a piece; gives each 20 ms that are whole, in pages of what is there at once."""
        self._taken_samples += len(samples)
        blocks = self._blocks.push(samples)
        if not len(blocks):
            return b""
        packets = self._encode(blocks.reshape(-1))
        first = self._encoded_samples - len(packets) * self._frame_samples
        pages = [self._headers()]
        for start in range(0, len(packets), PAGE_PACKETS):
            chosen = packets[start : start + PAGE_PACKETS]
            end = first + (start + len(chosen)) * self._frame_samples
            pages.append(self._pages.page(chosen, end * self._ticks))
        return b"".join(pages)

    def close(self) -> bytes:
        """Give the last page: as many packets as bring the delayed sound out, cut to the exact length."""
        end = DROPPED_TICKS + self._taken_samples * self._ticks
        frame = np.zeros(self._frame_samples, np.float32)
        rest = self._blocks.take_rest()
        frame[: len(rest)] = rest
        packets = self._encode(frame)
        while self._encoded_samples * self._ticks < end:
            packets += self._encode(np.zeros(self._frame_samples, np.float32))
        return self._headers() + self._pages.page(packets, end, LAST_PAGE)

    def _encode(self, samples: FloatSamples) -> list[bytes]:
        """Make the packets of whole frames. PyAV cuts them; each frame given to it alone costs a fifth more."""
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts = self._encoded_samples
        packets = [bytes(packet) for packet in self._codec.encode(frame)]
        if len(packets) * self._frame_samples != len(samples):
            raise RuntimeError(f"libopus made {len(packets)} packets of {len(samples)} samples")
        self._encoded_samples += len(samples)
        return packets

    def _headers(self) -> bytes:
        if self._has_headers:
            return b""
        self._has_headers = True
        head = self._pages.page([opus_head(DROPPED_TICKS, self._rate_hz)], 0, FIRST_PAGE)
        return head + self._pages.page([opus_tags(VENDOR)], 0)
