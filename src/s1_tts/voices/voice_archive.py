"""A voice as one file: a ZIP archive, so that a store replaces all of it at once, and anyone can look inside.

It holds ``voice.json`` (transcripts, fingerprints, metadata, in the order of the recordings) and for the recording
``N`` its audio file ``N.audio`` and, once encoded, its codes ``N.npy``.
"""

import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np

from s1_protocol.errors import S1Error
from s1_protocol.limits import (
    MAX_METADATA_BYTES,
    MAX_RECORDING_BYTES,
    MAX_RECORDINGS,
    MAX_TRANSCRIPT_CHARACTERS,
)
from s1_tts.voices.voice import Codes, Recording, Voice, check_metadata

SUFFIX = ".zip"
MANIFEST = "voice.json"
FORMAT = 1
MAX_MANIFEST_BYTES = 2 * MAX_METADATA_BYTES + MAX_RECORDINGS * 6 * MAX_TRANSCRIPT_CHARACTERS + 2**16
"""What the largest voice needs: a character takes up to six bytes in JSON."""
MAX_CODES_BYTES = 2**20
MAX_VOICE_BYTES = MAX_MANIFEST_BYTES + MAX_RECORDINGS * (MAX_RECORDING_BYTES + MAX_CODES_BYTES) + 2**16

_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    TypeError,
    ValueError,
    EOFError,
    NotImplementedError,  # a kind of compression
    OverflowError,
    RecursionError,
    RuntimeError,  # an archive with a password
    AttributeError,
)
"""What the libraries raise for a file that is none of ours."""


class BrokenVoiceError(S1Error):
    """What lies in a store under a voice's name is no voice, or cannot be one."""


def pack(voice: Voice) -> bytes:
    """Write a voice; what is written can be read.

    Raises:
        InvalidArgumentError: its metadata cannot be kept.
    """
    check_metadata(voice.metadata)
    manifest = {
        "format": FORMAT,
        "metadata": voice.metadata,
        "recordings": [
            {"transcript": recording.transcript, "fingerprint": recording.fingerprint} for recording in voice.recordings
        ],
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False, allow_nan=False))
        for index, recording in enumerate(voice.recordings):
            archive.writestr(f"{index}.audio", recording.audio)
            if recording.codes is not None:
                archive.writestr(f"{index}.npy", _write_codes(recording.codes))
    return buffer.getvalue()


def unpack(voice_id: str, data: bytes, version: str) -> Voice:
    """Read a voice.

    Args:
        voice_id: Id under which it is stored.
        data: The archive.
        version: What the store calls this state of it.

    Raises:
        BrokenVoiceError: it is no archive of a voice.
    """
    if len(data) > MAX_VOICE_BYTES:
        raise too_large(voice_id)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            manifest = json.loads(_read(archive, MANIFEST, MAX_MANIFEST_BYTES))
            if manifest["format"] != FORMAT or not 1 <= len(manifest["recordings"]) <= MAX_RECORDINGS:
                raise ValueError(f"format {manifest['format']} with {len(manifest['recordings'])} recordings")
            recordings = tuple(
                _read_recording(archive, index, entry) for index, entry in enumerate(manifest["recordings"])
            )
            return Voice(voice_id, recordings, dict(manifest["metadata"]), version)
    except _FAULTS as error:
        raise BrokenVoiceError(
            f"the stored voice {voice_id!r} cannot be read: {error}; store it again, or remove it"
        ) from error


def too_large(voice_id: str) -> BrokenVoiceError:
    """The error for a stored file that no voice can be."""
    fault = f"it has over {MAX_VOICE_BYTES} bytes"
    return BrokenVoiceError(f"the stored voice {voice_id!r} cannot be read: {fault}; store it again, or remove it")


def _read_recording(archive: zipfile.ZipFile, index: int, entry: dict[str, Any]) -> Recording:
    codes_name = f"{index}.npy"
    codes = None
    if codes_name in archive.namelist():
        codes = _read_codes(_read(archive, codes_name, MAX_CODES_BYTES))
    return Recording(
        audio=_read(archive, f"{index}.audio", MAX_RECORDING_BYTES),
        transcript=str(entry["transcript"]),
        codes=codes,
        fingerprint=str(entry["fingerprint"]),
    )


def _read(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    size = archive.getinfo(name).file_size
    if size > max_bytes:
        raise ValueError(f"{name} has {size} bytes; allowed: {max_bytes}")
    with archive.open(name) as file:
        data = file.read(max_bytes + 1)  # the directory's size may be wrong
    if len(data) != size:
        raise ValueError(f"{name} has {len(data)} bytes where its directory says {size}")
    return data


def _write_codes(codes: Codes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(codes, dtype=np.int32), allow_pickle=False)
    return buffer.getvalue()


def _read_codes(data: bytes) -> Codes:
    file = io.BytesIO(data)
    # numpy types neither of these
    if np.lib.format.read_magic(file) != (1, 0):  # type: ignore[no-untyped-call]
        raise ValueError("codes are in another format")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
    if dtype != np.int32 or len(shape) != 2 or is_fortran:
        raise ValueError(f"codes are {dtype} of shape {shape}")
    codes = np.frombuffer(file.read(), dtype=np.int32).reshape(shape)  # a shape that promises more takes no memory
    if not codes.size or codes.min() < 0:
        raise ValueError(f"codes of shape {shape} hold {'nothing' if not codes.size else codes.min()}")
    return codes
