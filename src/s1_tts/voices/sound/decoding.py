"""Decode a sound file to its end with ffmpeg's libraries (PyAV)."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from s1_tts.voices.sound.fault import SoundError
from s1_tts.voices.sound.form import MAX_RATE_HZ, check_form
from s1_tts.voices.sound.kinds import FLAC, Kind
from s1_tts.voices.sound.truncation import check_container, check_whole, declared_samples

_DECODERS: Final = (
    "aac,aac_fixed,aac_latm,alac,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,flac,mp1,mp1float,mp2,mp2float,mp3,mp3float,"
    "opus,libopus,vorbis,libvorbis,speex,libspeex,wmav1,wmav2,wmapro,wmalossless,wmavoice,gsm,gsm_ms,libgsm,libgsm_ms,"
    "adpcm_ima_wav,adpcm_ima_qt,adpcm_ms,adpcm_yamaha,adpcm_g722,g722,adpcm_g726,g726,adpcm_g726le,g726le,qcelp,"
    "evrc,g723_1,g729,truespeech,mace3,mace6,qdm2,qdmc,"
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_s64le,pcm_s64be,pcm_f16le,pcm_f24le,"
    "pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd"
)
"""Decoders of sound. Nothing of a picture or a video is decoded, not even to look at it."""

_TOLERATED_DAMAGE: Final = 0.01
"""Share of packets that may be damaged besides the first and the last ones, which cut streams never have whole."""
_EDGE_PACKETS: Final = 3

MAX_SAMPLES: Final = 90 * MAX_RATE_HZ
"""No recording that is taken has more; a header that tells of more was never filled in."""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Some decoded sound.

    Args:
        samples: ``[channels, N]``; 1 is full scale, floats of a file may be over it.
        rate_hz: Samples a second.
    """

    samples: Samples
    rate_hz: int


def decode(data: bytes, kind: Kind) -> Iterator[Block]:
    """Decode one file, block by block.

    Args:
        data: The whole file.
        kind: What it is.

    Yields:
        Its sound in order; rate and channels may change within a file of frames.

    Raises:
        SoundError: it cannot be decoded, or a part of it cannot.
    """
    check_container(data, kind)
    try:
        with av.open(
            io.BytesIO(data),
            format=kind.demuxer,
            options={"codec_whitelist": _DECODERS, "err_detect": "crccheck"},
            metadata_errors="replace",
        ) as container:
            yield from _decode_stream(container, data, kind)
    except (av.FFmpegError, ValueError, EOFError, MemoryError) as error:
        if isinstance(error, SoundError):
            raise
        raise SoundError(f"is a {kind.name} file that is broken or holds what cannot be decoded") from error


def _decode_stream(container: Any, data: bytes, kind: Kind) -> Iterator[Block]:
    stream = container.streams.best("audio")
    if stream is None:
        raise SoundError(f"is a {kind.name} file without sound")
    if stream.codec_context is None:
        raise SoundError(f"is a {kind.name} file of a codec that cannot be read")
    codec = stream.codec_context
    if codec.name not in _DECODERS.split(","):
        raise SoundError(f"is coded as {codec.name}, which is not read")
    if kind is FLAC:
        codec.options = {"err_detect": "crccheck+explode"}
    if codec.sample_rate:  # some decoders know it only after the first packet
        check_form(codec.sample_rate, codec.channels)
    num_samples, num_packets, damaged = 0, 0, []
    for packet in container.demux(stream):
        num_packets += 1
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            damaged.append(num_packets)
            continue
        for frame in frames:
            check_form(frame.sample_rate, frame.layout.nb_channels)
            num_samples += frame.samples
            yield Block(_samples(frame), frame.sample_rate)
    if num_samples == 0:
        is_protected = any(mark in data for mark in (b"drms", b"enca", b"pssh"))
        raise SoundError("is protected against copying" if is_protected else f"is a {kind.name} file without sound")
    _check_damage(damaged, num_packets)
    check_whole(declared_samples(data, kind), num_samples, MAX_SAMPLES)


def _check_damage(damaged: list[int], num_packets: int) -> None:
    inner = [number for number in damaged if _EDGE_PACKETS < number <= num_packets - _EDGE_PACKETS]
    if len(inner) > _TOLERATED_DAMAGE * num_packets:
        raise SoundError(f"is broken: {len(damaged)} of its {num_packets} pieces cannot be decoded")


def _samples(frame: Any) -> Samples:
    """Samples ``[channels, N]`` of a frame, whole numbers scaled to [-1, 1)."""
    raw: npt.NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(-1, frame.layout.nb_channels).T
    if raw.dtype == np.uint8:
        return np.asarray((raw.astype(np.float32) - 128) / 128, dtype=np.float32)
    if np.issubdtype(raw.dtype, np.integer):
        return np.asarray(raw.astype(np.float32) / -float(np.iinfo(raw.dtype).min), dtype=np.float32)
    with np.errstate(over="ignore"):  # what a float32 cannot hold becomes infinite and is refused as such
        return np.ascontiguousarray(raw, dtype=np.float32)
