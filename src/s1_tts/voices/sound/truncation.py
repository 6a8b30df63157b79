"""Files that broke off on their way: where a file tells for certain that more should follow.

A size in a header is a hint and no truth: recorders leave 0, the largest number, or a guess. Only a size that a
recording could have, with clearly less behind it, is a transfer that broke off.
"""

import struct
from typing import Final

from s1_tts.voices.sound.fault import SoundError
from s1_tts.voices.sound.kinds import FLAC, MATROSKA, MP4, OGG, Kind

_SLOPPY_BYTES: Final = 1024
"""Sizes are off by a header's length in files of some programs."""

_TRUNCATED: Final = "is truncated: {share:.0f} % of what it tells of is there"


def check_whole(declared: int, present: int, most: int) -> None:
    """Check a size that a header tells against what is there.

    Args:
        declared: Size by the header, in any unit.
        present: What is there, in the same unit.
        most: Size that no good file has; a larger one was never filled in.

    Raises:
        SoundError: the file broke off.
    """
    if declared <= most and present < declared - max(_SLOPPY_BYTES, declared // 100):
        raise SoundError(_TRUNCATED.format(share=100 * present / declared))


def check_container(data: bytes, kind: Kind) -> None:
    """Check what a container tells of its own end; WAV and AIFF are looked at elsewhere.

    Raises:
        SoundError: the file broke off, or a piece is missing in it.
    """
    if kind is OGG:
        _check_ogg(data)
    elif kind is MP4:
        _check_mp4(data)
    elif kind is MATROSKA:
        _check_matroska(data)


def declared_samples(data: bytes, kind: Kind) -> int:
    """Samples that a FLAC file tells of; 0 where it does not say (RFC 9639, section 8.2)."""
    if kind is not FLAC or len(data) < 26:
        return 0
    return int.from_bytes(data[21:26], "big") & (1 << 36) - 1


def _check_ogg(data: bytes) -> None:
    """Each page tells its size and its number in its stream (RFC 3533, section 6)."""
    next_numbers: dict[bytes, int] = {}
    position = data.find(b"OggS")
    while position >= 0:
        page = data[position : position + 27]
        if len(page) < 27 or len(data) < position + 27 + page[26]:
            raise SoundError("is truncated: its last page is not whole")
        size = 27 + page[26] + sum(data[position + 27 : position + 27 + page[26]])
        if position + size > len(data):
            raise SoundError("is truncated: its last page is not whole")
        serial, (number,) = page[14:18], struct.unpack_from("<I", page, 18)
        expected = next_numbers.get(serial)
        if expected is not None and number > expected:
            raise SoundError(f"is broken: {number - expected} of its pages are missing")
        next_numbers[serial] = number + 1
        position = data.find(b"OggS", position + size)


def _check_mp4(data: bytes) -> None:
    """Boxes tell their sizes (ISO 14496-12, section 4.2); the index may stand at the end."""
    position, names = 0, set()
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        names.add(name)
        if size == 1 and position + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, position + 8)
        if size == 0:  # to the end of the file
            size = len(data) - position
        if size < 8:
            break
        if name in (b"mdat", b"moov", b"moof") and position + size > len(data):
            raise SoundError(f"is truncated: its part {name.decode()!r} is not whole")
        position += size
    if b"moov" not in names:
        raise SoundError("is truncated: its index ('moov') is missing")


def _check_matroska(data: bytes) -> None:
    """The segment behind the header may tell its size (RFC 8794, section 6; RFC 9559, section 4.5)."""
    header = data.find(b"\x18\x53\x80\x67", 0, 4096)
    if header < 0 or header + 5 > len(data):
        return
    first = data[header + 4]
    width = 9 - first.bit_length()
    if not 1 <= width <= 8:
        return
    size = int.from_bytes(data[header + 4 : header + 4 + width], "big") & (1 << 7 * width) - 1
    start = header + 4 + width
    if size != (1 << 7 * width) - 1 and start + size > len(data):
        raise SoundError(_TRUNCATED.format(share=100 * (len(data) - start) / size))
