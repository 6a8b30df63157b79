"""A voice as one file: a ZIP archive, so that a store replaces all of it at once, and anyone can look inside.

It holds ``voice.json`` (transcripts, fingerprints, metadata, in the order of the recordings) and for the recording
``N`` its audio file ``N.audio`` and, once encoded, its codes ``N.npy``.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np

from s1_protocol.errors import S1Error
from s1_protocol.limits import MAX_RECORDING_BYTES, MAX_RECORDINGS
from s1_tts.voices.voice import Codes, Recording, Voice

SUFFIX = ".zip"
MANIFEST = "voice.json"
FORMAT = 1
MAX_MANIFEST_BYTES = 2**20
MAX_CODES_BYTES = 2**20


class BrokenVoiceError(S1Error):
    """What lies in a store under a voice's name is no voice."""


def pack(voice: Voice) -> bytes:
    """Write a voice."""
    manifest = {
        "format": FORMAT,
        "metadata": voice.metadata,
        "recordings": [
            {"transcript": recording.transcript, "fingerprint": recording.fingerprint} for recording in voice.recordings
        ],
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2))
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
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            manifest = json.loads(_read(archive, MANIFEST, MAX_MANIFEST_BYTES))
            if manifest["format"] != FORMAT or not 1 <= len(manifest["recordings"]) <= MAX_RECORDINGS:
                raise ValueError(f"format {manifest['format']} with {len(manifest['recordings'])} recordings")
            recordings = tuple(
                _read_recording(archive, index, entry) for index, entry in enumerate(manifest["recordings"])
            )
            return Voice(voice_id, recordings, dict(manifest["metadata"]), version)
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError, NotImplementedError) as error:
        raise BrokenVoiceError(f"the stored voice {voice_id!r} cannot be read: {error}") from error


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
    return archive.read(name)


def _write_codes(codes: Codes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, codes.astype(np.int32), allow_pickle=False)
    return buffer.getvalue()


def _read_codes(data: bytes) -> Codes:
    codes = np.load(io.BytesIO(data), allow_pickle=False)
    if codes.dtype != np.int32 or codes.ndim != 2 or not codes.size or codes.min() < 0:
        raise ValueError(f"codes are {codes.dtype} of shape {codes.shape}")
    return np.asarray(codes, dtype=np.int32)
