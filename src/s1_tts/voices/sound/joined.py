"""Files joined one behind the other: decoders read the first one only, so each is read by itself."""

from itertools import pairwise
from typing import Final

import regex

from s1_tts.voices.sound.kinds import AIFF, AMR, AU, CAF, FLAC, MATROSKA, MP3, MP4, OGG, W64, WAV, WMA, Kind

# Long enough not to come about in sound by chance. AAC and bare MP3 are rows of frames: joined ones are one file. The
# frame that an MP3 writer puts in front holds no sound, only what to trim from both ends of its file.
_BEGINNINGS: Final = {
    kind: regex.compile(pattern, flags=regex.DOTALL)
    for kind, pattern in {
        WAV: rb"(?:RIFF|RIFX|RF64|BW64)....WAVE",
        W64: rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00",
        AIFF: rb"FORM....AIF[FC]",
        CAF: rb"caff\x00\x01\x00\x00desc",
        AU: rb"\.snd\x00\x00\x00[\x18-\xff]....\x00\x00\x00[\x01-\x1b]",
        FLAC: rb"fLaC[\x00\x80]\x00\x00\x22",
        OGG: rb"OggS\x00\x02\x00{8}",
        MP3: rb"\xff[\xf2-\xfb][^\xff].\x00{9,32}(?:Xing|Info)\x00\x00\x00[\x00-\x0f]",
        AMR: rb"#!AMR(?:-WB)?\n",
        MATROSKA: rb"\x1a\x45\xdf\xa3.{1,48}?\x42\x82.(?:webm|matroska)",
        MP4: rb"\x00\x00\x00[\x0c-\x80]ftyp[A-Za-z0-9 ]{4}\x00\x00",
        WMA: rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
    }.items()
}
MAX_FILES: Final = 64
"""More are no recording; each costs a decoder's start."""


def parted(data: bytes, kind: Kind) -> list[bytes]:
    """The files that were joined, in order; one file is itself.

    Args:
        data: A file of this kind.
        kind: Its kind.
    """
    beginning = _BEGINNINGS.get(kind)
    if beginning is None:
        return [data]
    starts = [match.start() for match in beginning.finditer(data)]
    if kind is OGG:
        starts = [start for start in starts if not _is_beside_another_stream(data, start)]
    cuts = [0, *(start for start in starts if start > 0), len(data)]
    return [data[start:end] for start, end in pairwise(cuts) if end > start]


def _is_beside_another_stream(data: bytes, start: int) -> bool:
    """Whether the Ogg page before this first page is another stream's first: both then sound together (RFC 3533, 4)."""
    before = data.rfind(b"OggS\x00", 0, start)
    return before >= 0 and bool(data[before + 5] & 2)
