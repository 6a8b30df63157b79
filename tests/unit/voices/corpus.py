"""Recordings as people have them: files of every usual make, and what pipes, tags, editors and cables do to them.

Nothing here uses the product. ffmpeg (the program) writes the files and reads them, and its reading is the reference.
"""

import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.unit.voices.sounds import chirp


@dataclass(frozen=True)
class Make:
    """How a kind of file is written.

    Args:
        name: For people.
        suffix: Of the file's name, by which ffmpeg knows what to write.
        options: Of ffmpeg.
    """

    name: str
    suffix: str
    options: str = ""

    @property
    def family(self) -> str:
        return self.name.split()[0]


MAKES = (
    Make("WAV 16 bit", "wav", "-c:a pcm_s16le"),
    Make("WAV 8 bit", "wav", "-c:a pcm_u8"),
    Make("WAV 24 bit extensible stereo", "wav", "-c:a pcm_s24le -ac 2"),
    Make("WAV float", "wav", "-c:a pcm_f32le"),
    Make("WAV double", "wav", "-c:a pcm_f64le"),
    Make("WAV A-law", "wav", "-c:a pcm_alaw -ar 8000"),
    Make("WAV mu-law", "wav", "-c:a pcm_mulaw -ar 8000"),
    Make("WAV GSM", "wav", "-c:a libgsm_ms -ar 8000"),
    Make("WAV IMA ADPCM", "wav", "-c:a adpcm_ima_wav"),
    Make("WAV MS ADPCM", "wav", "-c:a adpcm_ms"),
    Make("WAV MP3 inside", "wav", "-c:a libmp3lame"),
    Make("WAV G.722", "wav", "-c:a g722 -ar 16000"),
    Make("RF64", "wav", "-c:a pcm_s16le -rf64 always"),
    Make("W64", "w64"),
    Make("AIFF", "aiff"),
    Make("AIFF float", "aiff", "-c:a pcm_f32be"),
    Make("CAF PCM", "caf", "-c:a pcm_s16be"),
    Make("CAF ALAC", "caf", "-c:a alac"),
    Make("AU", "au"),
    Make("AU mu-law", "au", "-c:a pcm_mulaw -ar 8000"),
    Make("FLAC", "flac"),
    Make("FLAC 24 bit", "flac", "-sample_fmt s32"),
    Make("OGG Vorbis", "ogg", "-c:a libvorbis"),
    Make("OGG Opus", "opus", "-c:a libopus"),
    Make("OGG Opus messenger", "ogg", "-c:a libopus -ar 16000 -frame_duration 60 -application voip"),
    Make("OGG FLAC", "oga", "-c:a flac"),
    Make("OGG Speex", "spx", "-c:a libspeex -ar 16000"),
    Make("MP3 CBR with Xing", "mp3", "-b:a 64k"),
    Make("MP3 VBR with Xing", "mp3", "-q:a 4"),
    Make("MP3 CBR bare", "mp3", "-b:a 64k -write_xing 0 -id3v2_version 0"),
    Make("MP3 VBR bare", "mp3", "-q:a 4 -write_xing 0 -id3v2_version 0"),
    Make("MP3 16 kHz bare", "mp3", "-b:a 24k -ar 16000 -write_xing 0"),
    Make("MP2", "mp2"),
    Make("AAC", "aac"),
    Make("M4A", "m4a"),
    Make("M4A index first", "m4a", "-movflags +faststart"),
    Make("M4A ALAC", "m4a", "-c:a alac"),
    Make("M4A fragmented Opus", "mp4", "-c:a libopus -movflags +empty_moov+default_base_moof+frag_every_frame"),
    Make("MOV", "mov", "-c:a aac"),
    Make("3GP AAC", "3gp", "-c:a aac"),
    Make("WebM Opus", "webm", "-c:a libopus"),
    Make("WebM live", "webm", "-c:a libopus -live 1"),
    Make("WebM Vorbis", "webm", "-c:a libvorbis"),
    Make("Matroska PCM", "mka", "-c:a pcm_s16le"),
    Make("WMA", "wma"),
    Make("WAV 32 bit", "wav", "-c:a pcm_s32le"),
    Make("WAV G.726", "wav", "-c:a adpcm_g726 -ar 8000"),
    Make("CAF Opus", "caf", "-c:a libopus"),
    Make("Matroska MP3", "mka", "-c:a libmp3lame"),
    Make("M4A MP3 inside", "mp4", "-c:a libmp3lame"),
    Make("M4A with a film", "mp4", "-f lavfi -i color=size=16x16:rate=5 -shortest -c:v mpeg4 -c:a aac"),
    Make("WebM with a film", "webm", "-f lavfi -i color=size=16x16:rate=5 -shortest -c:v libvpx -c:a libopus"),
)


@cache
def written(make: Make, length_s: float, hz: float, folder: Path) -> bytes:
    """A file of a tone, by ffmpeg."""
    path = folder / f"{abs(hash((make.name, length_s, hz)))}.{make.suffix}"
    sound = chirp(length_s, hz, 16_000)
    command = ["ffmpeg", "-v", "error", "-y", "-f", "f32le", "-ar", "16000", "-ac", "1", "-i", "-"]
    subprocess.run([*command, *make.options.split(), str(path)], input=sound.tobytes(), check=True)
    return path.read_bytes()


def seconds_by_ffmpeg(data: bytes, suffix: str, folder: Path) -> float:
    """Length of what ffmpeg decodes of a file."""
    return len(samples_by_ffmpeg(data, suffix, folder)) / 44_100


@cache
def samples_by_ffmpeg(data: bytes, suffix: str, folder: Path) -> npt.NDArray[np.float32]:
    """What ffmpeg decodes of a file, one channel at 44 100 Hz."""
    path = folder / f"read.{suffix}"
    path.write_bytes(data)
    command = ["ffmpeg", "-v", "quiet", "-i", str(path), "-map", "a:0", "-f", "f32le", "-ac", "1", "-ar", "44100"]
    decoded = subprocess.run([*command, "-"], capture_output=True, check=False).stdout
    return np.frombuffer(decoded[: len(decoded) & ~3], dtype=np.float32)


# --- what happens to files ---

ID3V1 = b"TAG" + b"Song".ljust(125, b"\0")
APE = (
    b"APETAGEX" + struct.pack("<IIII", 2000, 60, 1, 0xA0000000) + bytes(8) + struct.pack("<II", 20, 0) + b"Title\0"
    b"A name of twenty let" + b"APETAGEX" + struct.pack("<IIII", 2000, 60, 1, 0x80000000) + bytes(8)
)


def id3v2(size: int) -> bytes:
    """A tag with a picture of so many bytes."""
    frame = b"APIC" + struct.pack(">I", size) + b"\0\0" + bytes(size)
    sizes = bytes([len(frame) >> 21 & 127, len(frame) >> 14 & 127, len(frame) >> 7 & 127, len(frame) & 127])
    return b"ID3\x03\x00\x00" + sizes + frame


def wav_sizes(data: bytes, riff: int | None, sound: int | None) -> bytes:
    """A WAV file whose size fields say something else."""
    order = ">" if data[:4] == b"RIFX" else "<"
    changed = bytearray(data)
    place = data.index(b"data") + 4
    if riff is not None:
        changed[4:8] = struct.pack(f"{order}I", riff & 0xFFFFFFFF)
    if sound is not None:
        changed[place : place + 4] = struct.pack(f"{order}I", sound & 0xFFFFFFFF)
    return bytes(changed)


def aiff_size(data: bytes, size: int) -> bytes:
    """An AIFF file whose sound chunk says another size."""
    place = data.index(b"SSND") + 4
    return data[:place] + struct.pack(">I", size) + data[place + 4 :]


def sound_size(data: bytes, behind_name: int, form: str, size: int) -> bytes:
    """A Wave64 or CAF file whose sound chunk says another size."""
    place = data.index(b"data") + 4 + behind_name
    return data[:place] + struct.pack(form, size) + data[place + 8 :]


def flac_of_unknown_length(data: bytes) -> bytes:
    """A FLAC file whose writer could not go back."""
    return data[:21] + bytes([data[21] & 0xF0]) + bytes(4) + bytes(16) + data[42:]


def flac_length(data: bytes, samples: int) -> bytes:
    """A FLAC file that tells of so many samples."""
    number = int.from_bytes(data[21:26], "big") & ~((1 << 36) - 1) | samples
    return data[:21] + number.to_bytes(5, "big") + data[26:]


def ogg_without_end(data: bytes) -> bytes:
    """An OGG file whose last page carries no end flag; its check sum is made anew."""
    place = data.rfind(b"OggS")
    page = bytearray(data[place:])
    page[5] &= ~4
    page[22:26] = bytes(4)
    page[22:26] = struct.pack("<I", _ogg_crc(bytes(page)))
    return data[:place] + bytes(page)


def _ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7) & 0xFFFFFFFF if crc & 0x80000000 else crc << 1
    return crc


@dataclass(frozen=True)
class Fault:
    """Something that happens to files, and what of their sound is there afterwards.

    Args:
        name: For people.
        families: Makes that it happens to, by the first word of their name.
        change: Gets two files of a make; gives one.
        pieces: How many of the two files' sounds are in it.
    """

    name: str
    families: tuple[str, ...]
    change: Callable[[bytes, bytes], bytes]
    pieces: int = 1


EVERY = tuple(sorted({make.family for make in MAKES}))
WAV_SIZES = (0, 1, 2, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0x80000024, 2_000_000_000, 0xFFFFFFFF, 0xFFFFFFDB, 0x7FFFFFDB)
JOINABLE = ("WAV", "RF64", "W64", "AIFF", "CAF", "FLAC", "OGG", "AAC", "M4A", "WebM", "Matroska", "3GP", "MOV", "WMA")

FAULTS = (
    Fault("nothing", EVERY, lambda a, b: a),
    *(
        Fault(f"both sizes {size:#x}", ("WAV",), lambda a, b, size=size: wav_sizes(a, size, size))  # type: ignore[misc]
        for size in WAV_SIZES
    ),
    *(
        Fault(f"size of the sound {size:#x}", ("WAV",), lambda a, b, size=size: wav_sizes(a, None, size))  # type: ignore[misc]
        for size in WAV_SIZES
    ),
    Fault("size of the file 0", ("WAV",), lambda a, b: wav_sizes(a, 0, None)),
    Fault("size of the file 8 too many", ("WAV",), lambda a, b: wav_sizes(a, len(a), None)),
    Fault("size of the sound 8 too many", ("WAV",), lambda a, b: wav_sizes(a, None, len(a) - a.index(b"data"))),
    Fault("size of the sound 44 too many", ("WAV",), lambda a, b: wav_sizes(a, None, len(a))),
    Fault("size of a first piece", ("WAV",), lambda a, b: wav_sizes(a, len(a) // 4, (len(a) // 4) & ~63)),
    Fault("AIFF size 0", ("AIFF",), lambda a, b: aiff_size(a, 0)),
    Fault("AIFF size 0x7f000000", ("AIFF",), lambda a, b: aiff_size(a, 0x7F000000)),
    Fault("AIFF size 0xffffffff", ("AIFF",), lambda a, b: aiff_size(a, 0xFFFFFFFF)),
    Fault("FLAC of unknown length", ("FLAC",), lambda a, b: flac_of_unknown_length(a)),
    Fault("FLAC that tells of days", ("FLAC",), lambda a, b: flac_length(a, (1 << 36) - 1)),
    Fault("no end flag", ("OGG",), lambda a, b: ogg_without_end(a)),
    Fault("picture in front", ("MP3", "MP2", "AAC", "FLAC"), lambda a, b: id3v2(40_000) + a),
    Fault("large picture in front", ("MP3",), lambda a, b: id3v2(400_000) + a),
    Fault("two tags in front", ("MP3",), lambda a, b: id3v2(100) + id3v2(3_000) + a),
    Fault("ID3v1 behind", ("MP3", "WAV", "MP2"), lambda a, b: a + ID3V1),
    Fault("APE tag behind", ("MP3",), lambda a, b: a + APE),
    Fault("all tags", ("MP3",), lambda a, b: id3v2(5_000) + a + APE + ID3V1),
    Fault("zeros behind", ("MP3", "WAV", "FLAC", "OGG", "M4A"), lambda a, b: a + bytes(2_048)),
    Fault("zeros in front", ("MP3",), lambda a, b: bytes(1_000) + a),
    *(
        Fault(f"Wave64 size {size:#x}", ("W64",), lambda a, b, size=size: sound_size(a, 12, "<Q", size))  # type: ignore[misc]
        for size in (0, 24, 1000, 2**31 - 1, 2**62, 2**64 - 1)
    ),
    *(
        Fault(f"CAF size {size:#x}", ("CAF PCM",), lambda a, b, size=size: sound_size(a, 0, ">Q", size))  # type: ignore[misc]
        for size in (0, 4, 1000, 2**31 - 1, 2**62, 2**64 - 1)
    ),
    *(
        Fault(f"AU size {size:#x}", ("AU",), lambda a, b, size=size: a[:8] + struct.pack(">I", size) + a[12:])  # type: ignore[misc]
        for size in (0, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    ),
    Fault("two joined", (*JOINABLE, "MP3", "MP2"), lambda a, b: a + b, 2),
    Fault("two joined with tags", ("MP3",), lambda a, b: id3v2(500) + a + ID3V1 + id3v2(700) + b + ID3V1, 2),
)


def recordings(
    folder: Path, sounds: tuple[tuple[float, float], ...], makes: tuple[Make, ...]
) -> Iterator[tuple[str, bytes, float, Make]]:
    """Makes with everything that happens to them.

    Args:
        folder: For files on the way.
        sounds: Lengths and pitches.
        makes: The makes.

    Yields:
        What it is, the file, its length by ffmpeg's reading of the files before anything happened, its make.
    """
    for make in makes:
        for (length_s, hz), (other_s, other_hz) in zip(sounds, sounds[1:] + sounds[:1], strict=True):
            first, second = written(make, length_s, hz, folder), written(make, other_s, other_hz, folder)
            length, other = (seconds_by_ffmpeg(file, make.suffix, folder) for file in (first, second))
            for fault in FAULTS:
                if {make.family, make.name} & set(fault.families):
                    expected_s = length + (other if fault.pieces == 2 else 0.0)
                    yield f"{make.name}, {fault.name}, {length_s} s", fault.change(first, second), expected_s, make


def is_of(seconds: float, expected_s: float) -> bool:
    """Whether a length is the expected one, but for a codec's first and last frames."""
    return bool(np.isclose(seconds, expected_s, atol=0.06))
