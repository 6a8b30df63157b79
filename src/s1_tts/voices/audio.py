"""Audio files of voices: any format and rate in, mono samples at the codec's rate out, every fault told."""

import io

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.limits import MAX_RECORDING_BYTES, MAX_RECORDING_S, MIN_RECORDING_S
from s1_protocol.names import Field
from s1_protocol.request_options import REFERENCE_AUDIO
from s1_protocol.sound import SAMPLE_RATE_HZ

SILENCE_PEAK = 1e-3
"""-60 dB of full scale."""

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
MAX_CHANNELS = 8
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 192_000

_UNKNOWN_RIFF_SIZES = (0, 0xFFFFFFFF)
"""What recorders write that cannot go back to the beginning of the file."""

Samples = npt.NDArray[np.float32]


def read_recording(data: bytes) -> Samples:
    """Read an audio file.

    Args:
        data: The whole file.

    Returns:
        Mono samples ``[N]`` in [-1, 1] at 44 100 Hz.

    Raises:
        InvalidArgumentError: on ``reference_audio``; it is too large, no audio file, broken, truncated, silent, too
            short or too long, and the message says which.
    """
    check_size(data)
    if _is_truncated(data):
        raise _fault("is truncated")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _check_header(file)
            rate_hz = file.samplerate
            # one sample more than allowed: a header may tell less than what comes
            most_frames = int(MAX_RECORDING_S * rate_hz) + 1
            samples = file.read(frames=most_frames, dtype="float32", always_2d=True)  # [N, channels]
            is_short_of_header = len(samples) < file.frames
    except soundfile.SoundFileError as error:
        raise _fault("is no audio file that can be read, or is broken") from error
    if is_short_of_header:
        raise _fault("is truncated")
    _check_length(len(samples) / rate_hz)
    mono = samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise _fault("is broken: it holds values that are not finite")
    if np.abs(mono).max() < SILENCE_PEAK:
        raise _fault("is silent")
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    return np.asarray(np.clip(mono, -1.0, 1.0), dtype=np.float32)


def check_size(data: bytes) -> None:
    """Refuse what is empty or too large, before anything is done with it.

    Raises:
        InvalidArgumentError: it is.
    """
    if not data:
        raise _fault("is empty")
    if len(data) > MAX_RECORDING_BYTES:
        raise _fault(f"has {len(data)} bytes, which is too large")


def _check_header(file: soundfile.SoundFile) -> None:
    if file.format not in FORMATS:
        raise _fault(f"is a file of format {file.format}")
    if file.channels > MAX_CHANNELS:
        raise _fault(f"has {file.channels} channels; at most {MAX_CHANNELS} can be mixed")
    if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ:
        raise _fault(f"has {file.samplerate} samples a second; {MIN_RATE_HZ} to {MAX_RATE_HZ} can be read")
    if file.frames > MAX_RECORDING_S * file.samplerate:
        _check_length(file.frames / file.samplerate)


def _check_length(length_s: float) -> None:
    if length_s < MIN_RECORDING_S:
        raise _fault(f"is too short: {length_s:.2f} s")
    if length_s > MAX_RECORDING_S:
        raise _fault(f"is too long: {length_s:.2f} s")


def _is_truncated(data: bytes) -> bool:
    """Whether the file says itself that more should follow; libsndfile reads such WAV and OGG files without a word."""
    if data[:4] == b"RIFF":
        size = int.from_bytes(data[4:8], "little")
        return size not in _UNKNOWN_RIFF_SIZES and size + 8 > len(data) + (size % 2)
    if data[:4] == b"OggS":
        return not _is_last_ogg_page(data[data.rfind(b"OggS") :])
    return False


def _is_last_ogg_page(page: bytes) -> bool:
    """Whether an Ogg page is whole and marked as its stream's last (RFC 3533, section 6)."""
    if len(page) < 27:
        return False
    segments = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(segments)


def _fault(fault: str) -> InvalidArgumentError:
    return InvalidArgumentError(Field.REFERENCE_AUDIO, fault, REFERENCE_AUDIO.allowed)
