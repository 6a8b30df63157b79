"""Ogg pages (RFC 3533) around Opus packets (RFC 7845).

ffmpeg's muxer holds each page back until the next one is there; here packets leave when they are made.
"""

import struct
import zlib
from collections.abc import Sequence

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
CAPTURE_PATTERN = b"OggS"
FIRST_PAGE, LAST_PAGE = 0x02, 0x04
MAX_PAGE_PACKETS = 42
"""A page has at most 255 segments, and an Opus packet at most 6."""
GRANULE_RATE_HZ = 48_000
"""Positions in an Ogg/Opus stream count samples at this rate, whatever the encoder's."""


def ogg_checksum(data: bytes) -> int:
    """Compute Ogg's checksum: polynomial 0x04C11DB7, from zero, most significant bit first.

    zlib's is the same polynomial with the bits the other way round, begun and ended with ones.
    """
    reversed_sum = zlib.crc32(data.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reversed_sum:032b}"[::-1], 2)


class OggPages:
    """Makes the pages of one stream.

    Args:
        serial: Number of the stream.
    """

    def __init__(self, serial: int) -> None:
        self._serial = serial
        self._sequence = 0

    def page(self, packets: Sequence[bytes], granule: int, flags: int = 0) -> bytes:
        """Make a page of whole packets.

        Args:
            packets: At most ``MAX_PAGE_PACKETS`` Opus packets, which have at most 1275 bytes each.
            granule: Samples at 48 kHz from the stream's beginning to the last packet's end, delay included.
            flags: ``FIRST_PAGE``, ``LAST_PAGE`` or none.
        """
        lacing = b"".join([b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets])
        head = struct.pack("<4sBBqIII", CAPTURE_PATTERN, 0, flags, granule, self._serial, self._sequence, 0)
        body = bytes([len(lacing)]) + lacing + b"".join(packets)
        self._sequence += 1
        return head[:-4] + struct.pack("<I", ogg_checksum(head + body)) + body


def opus_head(delay_samples: int, rate_hz: int) -> bytes:
    """Make the identification packet of a mono stream.

    Args:
        delay_samples: At 48 kHz, that a decoder drops at the beginning.
        rate_hz: Of the sound that was encoded.
    """
    return struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, delay_samples, rate_hz, 0, 0)


def opus_tags(vendor: str) -> bytes:
    """Make the comment packet, without comments."""
    name = vendor.encode()
    return struct.pack("<8sI", b"OpusTags", len(name)) + name + struct.pack("<I", 0)
