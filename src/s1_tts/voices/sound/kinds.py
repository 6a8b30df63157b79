"""Tell by its first bytes what kind of file something is; ffmpeg is never left to guess.

A demuxer chosen by ffmpeg itself may be one that opens other files or addresses (playlists); only those named here run.
"""

from dataclasses import dataclass
from typing import Final

import regex

from s1_tts.voices.sound.fault import SoundError


@dataclass(frozen=True)
class Kind:
    """A kind of sound file.

    Args:
        name: As people call it.
        demuxer: As ffmpeg calls what reads it.
    """

    name: str
    demuxer: str


WAV: Final = Kind("WAV", "wav")
W64: Final = Kind("Wave64", "w64")
AIFF: Final = Kind("AIFF", "aiff")
CAF: Final = Kind("CAF", "caf")
AU: Final = Kind("AU", "au")
FLAC: Final = Kind("FLAC", "flac")
OGG: Final = Kind("OGG", "ogg")
MP3: Final = Kind("MP3", "mp3")
AAC: Final = Kind("AAC", "aac")
MP4: Final = Kind("M4A/MP4", "mov")
MATROSKA: Final = Kind("WebM/Matroska", "matroska")
AMR: Final = Kind("AMR", "amr")
WMA: Final = Kind("WMA", "asf")


def _starting(pattern: bytes) -> regex.Pattern[bytes]:
    return regex.compile(pattern, flags=regex.DOTALL)


_KINDS: Final = (
    (_starting(rb"(?:RIFF|RIFX|RF64|BW64)....WAVE"), WAV),
    (_starting(rb"riff\x2e\x91\xcf\x11"), W64),
    (_starting(rb"FORM....AIF[FC]"), AIFF),
    (_starting(rb"caff\x00"), CAF),
    (_starting(rb"\.snd"), AU),
    (_starting(rb"fLaC"), FLAC),
    (_starting(rb"OggS"), OGG),
    (_starting(rb"#!AMR"), AMR),
    (_starting(rb"\x1a\x45\xdf\xa3"), MATROSKA),
    (_starting(rb"....(?:ftyp|moov|mdat|wide|free|skip|moof|styp)"), MP4),
    (_starting(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), WMA),
    (_starting(rb"\xff[\xf0\xf1\xf8\xf9]"), AAC),
    (_starting(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][^\xf0-\xff]"), MP3),
)

# What people send by mistake, or what no reader is kept for: refused by its name.
_OTHERS: Final = (
    (_starting(rb"%PDF"), "a PDF document"),
    (_starting(rb"PK\x03\x04"), "a ZIP archive"),
    (_starting(rb"\x1f\x8b"), "a gzip archive"),
    (_starting(rb"\xff\xd8\xff"), "a JPEG picture"),
    (_starting(rb"\x89PNG"), "a PNG picture"),
    (_starting(rb"GIF8"), "a GIF picture"),
    (_starting(rb"RIFF....WEBP"), "a WebP picture"),
    (_starting(rb"RIFF....AVI "), "an AVI video"),
    (_starting(rb"FLV\x01"), "an FLV video"),
    (_starting(rb"\x00\x00\x01[\xba\xb3]"), "an MPEG video"),
    (_starting(rb"\x47.{187}\x47.{187}\x47"), "an MPEG transport stream"),
    (_starting(rb"MThd"), "a MIDI file, which holds notes and no sound"),
    (_starting(rb"wvpk"), "a WavPack file"),
    (_starting(rb"MAC "), "a Monkey's Audio file"),
    (_starting(rb"TTA[12]"), "a True Audio file"),
    (_starting(rb"MPCK|MP\+"), "a Musepack file"),
    (_starting(rb"DSD |FRM8"), "a DSD file"),
    (_starting(rb"nut/multimedia container"), "a NUT file"),
    (_starting(rb"....\xf8\x72\x6f\xba"), "a TrueHD file"),
    (_starting(rb"\.RMF|\.ra\xfd"), "a RealAudio file"),
    (_starting(rb"\x02?#!SILK"), "a SILK file of a messenger"),
    (_starting(rb"ADIF"), "an AAC file of the old form ADIF"),
    (_starting(rb"\x0b\x77"), "an AC-3 file"),
    (_starting(rb"\x7f\xfe\x80\x01"), "a DTS file"),
    (_starting(rb"Creative Voice File"), "a VOC file"),
    (_starting(rb"\x56[\xe0-\xff]"), "an AAC file of the form LOAS"),
    (_starting(rb"#EXTM3U|\[playlist\]"), "a playlist, which holds no sound itself"),
    (_starting(rb"(?:UklGR|SUQz|T2dnUw|ZkxhQ|//[uvsk]|GkXf|AAAA)[A-Za-z0-9+/=\r\n]{16}"), "base64 text, not the bytes"),
    (_starting(rb"data:[a-z]+/"), "a data address, not the bytes"),
    (_starting(rb"https?://"), "an address, not the file itself"),
    (_starting(rb"(?i)\s*<(?:!doctype|html|\?xml|svg)"), "a web page or XML text"),
    (_starting(rb"\s*[\[{]\s*[\"\[{]"), "JSON text"),
)
_TEXT: Final = regex.compile(rb"[\t\n\r\x20-\x7e]{32}")

_ID3_HEADER_BYTES: Final = 10
_ID3V1_BYTES: Final = 128
_SEARCHED_BYTES: Final = 1 << 16
"""How much junk may stand before the first frame of an MP3."""

_BITRATES_KBPS: Final = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By version (2 stands for 2 and 2.5) and layer: ISO 11172-3 section 2.4.2.3, ISO 13818-3 section 2.4.2.3."""
_RATES_HZ: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def kind_of(data: bytes) -> tuple[Kind, bytes]:
    """Tell what kind of sound file this is.

    Args:
        data: The whole file.

    Returns:
        Its kind, and the file without what stands before its sound (ID3 tags).

    Raises:
        SoundError: it is of no kind that is read; the message names what it is, where that is known.
    """
    sound = data[_id3_bytes(data) :]
    for pattern, kind in _KINDS:
        if pattern.match(sound):
            return kind, sound
    for pattern, name in _OTHERS:
        if pattern.match(data):
            raise SoundError(f"is {name}")
    start = _first_mp3_frame(sound)
    if start is not None:
        return MP3, sound[start:]
    if _TEXT.match(data):
        raise SoundError("is no audio file but text")
    raise SoundError("is no audio file that can be read, or is broken at its beginning")


def _id3_bytes(data: bytes) -> int:
    """Bytes of the ID3v2 tags in front, one or several; a tag that tells more bytes than there are is none."""
    start = 0
    while data[start : start + 3] == b"ID3" and len(data) > start + _ID3_HEADER_BYTES:
        size = 0
        for byte in data[start + 6 : start + _ID3_HEADER_BYTES]:
            size = size << 7 | byte & 0x7F
        has_footer = bool(data[start + 5] & 0x10)
        end = start + _ID3_HEADER_BYTES + size + (_ID3_HEADER_BYTES if has_footer else 0)
        if end >= len(data):
            break
        start = end
    return start


def _first_mp3_frame(data: bytes) -> int | None:
    """Where the first of two MPEG audio frames in a row begins; none if there are none near the beginning."""
    place = data.find(b"\xff", 0, _SEARCHED_BYTES)
    while place >= 0:
        size = _mp3_frame_bytes(data, place)
        if size is not None and _mp3_frame_bytes(data, place + size) is not None:
            return place
        place = data.find(b"\xff", place + 1, _SEARCHED_BYTES)
    return None


def _mp3_frame_bytes(data: bytes, place: int) -> int | None:
    """Size of the MPEG audio frame at a place; none if no valid header stands there (ISO 11172-3, 2.4.1.3)."""
    header = data[place : place + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    kbps = _BITRATES_KBPS[1 if version == 3 else 2, layer][bitrate]
    rate_hz = _RATES_HZ[version][rate]
    if layer == 1:
        return (12_000 * kbps // rate_hz + padding) * 4
    samples_a_byte = 72_000 if layer == 3 and version != 3 else 144_000
    return samples_a_byte * kbps // rate_hz + padding
