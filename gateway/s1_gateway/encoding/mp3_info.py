"""The frame in front of an MP3 file that tells players its length and what to cut off (Xing's tag with LAME's)."""

import struct

MPEG_1 = 0b11
BIT_RATES_KBPS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES_HZ = {0b11: (44_100, 48_000, 32_000), 0b10: (22_050, 24_000, 16_000), 0b00: (11_025, 12_000, 8_000)}
HAS_FRAMES, HAS_BYTES = 0x1, 0x2
UNKNOWN_BYTES = 0xFFFFFFFF
CONSTANT_BIT_RATE = 1
ENCODER = b"LAME3.100"


def frame_layout(header: bytes) -> tuple[int, int]:
    """Read a frame's header (ISO/IEC 11172-3, 2.4.1.3; layer III).

    Returns:
        Its bytes, header included, and its samples.
    """
    version, code = header[1] >> 3 & 0b11, header[2]
    is_mpeg_1 = version == MPEG_1
    samples = 1152 if is_mpeg_1 else 576
    bit_rate_bps = 1000 * BIT_RATES_KBPS[is_mpeg_1][code >> 4]
    return samples // 8 * bit_rate_bps // RATES_HZ[version][code >> 2 & 0b11] + (code >> 1 & 1), samples


def info_frame(frames: bytes, *, delay_samples: int, sound_samples: int) -> bytes:
    """Make the frame that goes in front.

    Args:
        frames: The whole sound, mono, at a constant bit rate.
        delay_samples: That the encoder put before it.
        sound_samples: Of the sound itself.
    """
    position, count, frame_samples = 0, 0, 0
    while position < len(frames):
        frame_bytes, frame_samples = frame_layout(frames[position : position + 4])
        position += frame_bytes
        count += 1
    padding_samples = min(count * frame_samples - delay_samples - sound_samples, 0xFFF)
    header = _unpadded(frames[:4])
    num_bytes = frame_layout(header)[0] + len(frames)
    counts = struct.pack(">III", HAS_FRAMES | HAS_BYTES, count, num_bytes)
    return _frame(header, counts, num_bytes, delay_samples, padding_samples)


def stream_info_frame(first_header: bytes, *, delay_samples: int) -> bytes:
    """Make the frame that goes in front of a stream, whose length is not known yet.

    It tells no number of frames, which readers would believe, and an impossible number of bytes: without either, ffmpeg
    takes the frame for sound.

    Args:
        first_header: The four bytes that the stream's first frame begins with.
        delay_samples: That the encoder put before the sound.
    """
    counts = struct.pack(">II", HAS_BYTES, UNKNOWN_BYTES)
    return _frame(_unpadded(first_header), counts, 0, delay_samples, 0)


def _unpadded(header: bytes) -> bytes:
    return bytes([header[0], header[1], header[2] & ~0b10, header[3]])


def _frame(header: bytes, counts: bytes, num_bytes: int, delay_samples: int, padding_samples: int) -> bytes:
    """Put a tag into a frame without sound.

    Args:
        header: Of the frame.
        counts: Flags, and the numbers that they say are there.
        num_bytes: Of the file; 0 where nobody knows.
        delay_samples: To be cut off from the beginning.
        padding_samples: To be cut off from the end.
    """
    side_information = bytes(17 if header[1] >> 3 & 0b11 == MPEG_1 else 9)
    tag = b"Info" + counts + ENCODER + bytes([CONSTANT_BIT_RATE]) + bytes(11)
    tag += (delay_samples << 12 | padding_samples).to_bytes(3, "big") + bytes(4)
    body = header + side_information + tag + struct.pack(">IH", num_bytes, 0)
    return (body + struct.pack(">H", _crc_16(body))).ljust(frame_layout(header)[0], b"\0")


def _crc_16(data: bytes) -> int:
    """Compute the tag's checksum: polynomial 0x8005, from zero, least significant bit first."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
