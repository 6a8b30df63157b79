"""Files of chunks (WAV, RF64, Wave64, AIFF, CAF) and AU, with the size that their sound really has.

A chunk is a name, a size and content (EA IFF 85; Microsoft's "Multimedia Programming Interface" of 1991; EBU Tech 3306;
Sonic Foundry's Wave64; Apple's "Core Audio Format"). Who writes into a pipe, or is interrupted, leaves anything in the
size of the sound: 0, the largest number, the size of a first piece. ffmpeg and libsndfile believe some of these.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from s1_tts.voices.sound.fault import SoundError
from s1_tts.voices.sound.form import check_form
from s1_tts.voices.sound.kinds import AIFF, AU, CAF, W64, WAV, Kind
from s1_tts.voices.sound.truncation import check_whole

_UNKNOWN: Final = 0xFFFFFFFF
_TRAILING: Final = (b"TAG", b"ID3", b"APETAGEX")
_SMALL_REST: Final = 4096
"""Bytes after the sound that may be junk of an editor; more of them is sound that the header does not tell of."""


@dataclass(frozen=True)
class _Layout:
    """How a family of files writes its chunks.

    Args:
        first: Where the first chunk begins.
        name_bytes: Length of a name, of which four letters count.
        size: Format of a size for ``struct``.
        alignment: Chunks begin at multiples of this many bytes.
        counts_itself: Whether a size counts name and size too.
        sound: Name of the chunk that holds the sound.
        kept: Other chunks that a decoder needs.
        sound_header_bytes: Bytes of the sound's chunk that are no sound.
    """

    first: int
    name_bytes: int
    size: str
    alignment: int
    counts_itself: bool
    sound: bytes
    kept: tuple[bytes, ...]
    sound_header_bytes: int = 0

    @property
    def header_bytes(self) -> int:
        """Bytes in front of a chunk's content."""
        return self.name_bytes + struct.calcsize(self.size)

    def aligned(self, position: int) -> int:
        """Where the next chunk begins when content ends here."""
        return -(-position // self.alignment) * self.alignment


_WAV: Final = _Layout(12, 4, "<I", 2, False, b"data", (b"fmt ", b"fact"))
_RIFX: Final = _Layout(12, 4, ">I", 2, False, b"data", (b"fmt ", b"fact"))
_AIFF: Final = _Layout(12, 4, ">I", 2, False, b"SSND", (b"COMM", b"FVER"), 8)
_W64: Final = _Layout(40, 16, "<Q", 8, True, b"data", (b"fmt ", b"fact"))
_CAF: Final = _Layout(8, 4, ">Q", 1, False, b"data", (b"desc", b"chan", b"kuki"), 4)


def with_true_sizes(data: bytes, kind: Kind, max_bytes: int) -> bytes:
    """Write the size anew that the sound of a file has.

    Args:
        data: The whole file.
        kind: Its kind; one that knows no such size is handed back as it is.
        max_bytes: No file that is taken holds more sound; a header that tells of more was never filled in.

    Returns:
        A file of what a decoder needs. What stands behind the sound, such as tags, is left out.

    Raises:
        SoundError: there is no sound in it, or it broke off.
    """
    if kind is AU:
        return _au(data, max_bytes)
    if kind is WAV:
        layout = _RIFX if data[:4] == b"RIFX" else _WAV
    elif kind in (AIFF, W64, CAF):
        layout = {AIFF: _AIFF, W64: _W64, CAF: _CAF}[kind]
    else:
        return data
    if kind is CAF and b"pakt" in {name for name, _, _ in _chunks(data, layout)}:
        return data  # packets of a codec, counted in a table of their own
    chunks: list[tuple[bytes, bytes]] = []
    wide_size = None
    for name, start, size in _chunks(data, layout):
        if name == layout.sound:
            declared = wide_size if size == _UNKNOWN and wide_size is not None else size
            sound = data[start : _end_of_sound(data, start, declared, layout, max_bytes)]
            return _file(data, kind, layout, [*chunks, (name, sound)])
        if name == b"ds64" and size >= 24:
            (wide_size,) = struct.unpack_from("<Q", data, start + 8)
        if name == b"fmt " and size >= 8:
            channels, rate_hz = struct.unpack_from(layout.size[0] + "HI", data, start + 2)
            check_form(rate_hz, channels)
        if name in layout.kept:
            chunks.append((name, data[start : start + size]))
    raise SoundError("is truncated: it ends before its sound begins")


def _chunks(data: bytes, layout: _Layout) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin of the content and size of each chunk."""
    position = layout.first
    while position + layout.header_bytes <= len(data):
        (size,) = struct.unpack_from(layout.size, data, position + layout.name_bytes)
        if layout.counts_itself:
            size = max(size - layout.header_bytes, 0)
        start = position + layout.header_bytes
        yield data[position : position + 4], start, size
        position = layout.aligned(start + size)


def _end_of_sound(data: bytes, start: int, declared: int, layout: _Layout, max_bytes: int) -> int:
    present = len(data) - start
    if declared >= present:
        check_whole(declared, present, max_bytes)
        return len(data)
    end = start + declared
    rest = data[end:]
    is_header_filled_in = declared > layout.sound_header_bytes
    if is_header_filled_in and (
        len(rest) <= min(_SMALL_REST, declared // 100)
        or rest.startswith(_TRAILING)
        or not rest.strip(b"\0")
        or any(_is_row_of_chunks(data, place, layout) for place in {layout.aligned(end), end})
    ):
        return end
    return len(data)


def _is_row_of_chunks(data: bytes, position: int, layout: _Layout) -> bool:
    """Whether nothing but chunks stands from here to the end."""
    is_row = False
    while position + layout.header_bytes <= len(data):
        name = data[position : position + 4]
        (size,) = struct.unpack_from(layout.size, data, position + layout.name_bytes)
        end = position + size if layout.counts_itself else position + layout.header_bytes + size
        if not (name.isascii() and name.decode("ascii").isprintable()) or end > len(data) or end <= position:
            return False
        is_row, position = True, layout.aligned(end)
    return is_row


def _file(data: bytes, kind: Kind, layout: _Layout, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A file of these chunks; RF64 and Wave64 become WAV, which is the same with smaller sizes."""
    if kind is CAF:
        return data[: layout.first] + b"".join(
            name + struct.pack(layout.size, len(body)) + body for name, body in chunks
        )
    size = "<I" if kind is W64 else layout.size
    content = b"".join(name + struct.pack(size, len(body)) + body + b"\0" * (len(body) % 2) for name, body in chunks)
    family = data[:4] if data[:4] in (b"RIFX", b"FORM") else b"RIFF"
    form = data[8:12] if kind is AIFF else b"WAVE"
    return family + struct.pack(size, 4 + len(content)) + form + content


def _au(data: bytes, max_bytes: int) -> bytes:
    """An AU file whose size is unknown, which decoders read to the end."""
    if len(data) < 24:
        raise SoundError("is truncated: it ends before its sound begins")
    begin, declared = struct.unpack_from(">II", data, 4)
    check_whole(declared, len(data) - begin, max_bytes)
    return data[:8] + struct.pack(">I", _UNKNOWN) + data[12:]
