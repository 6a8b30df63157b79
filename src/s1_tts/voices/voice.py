"""A voice: an id, and the recordings it is known by."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from s1_protocol.checks import check_transcript
from s1_protocol.errors import InvalidArgumentError
from s1_protocol.limits import MAX_METADATA_BYTES, MAX_RECORDINGS
from s1_protocol.names import Field
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_protocol.voice_record import RecordingRecord, VoiceRecord
from s1_tts.voices.audio import check_size

Codes = npt.NDArray[np.int32]
"""``[num_codebooks, frames]``."""

Metadata = Mapping[str, Any]
"""A JSON object; it means nothing to the server."""

MAX_METADATA_DEPTH = 64
METADATA_ALLOWED = (
    f"a JSON object of at most {MAX_METADATA_BYTES} bytes and {MAX_METADATA_DEPTH} levels, without NaN and Infinity"
)


@dataclass(frozen=True, eq=False)
class Recording:
    """Someone speaking, and what is said.

    Args:
        audio: The whole audio file.
        transcript: What is said in it.
        codes: Its codes ``[num_codebooks, frames]``; none when it was not encoded yet.
        fingerprint: Of the codec that encoded it.
    """

    audio: bytes
    transcript: str
    codes: Codes | None = None
    fingerprint: str = ""

    def codes_of(self, fingerprint: str) -> Codes | None:
        """The codes, if this codec made them."""
        return self.codes if self.fingerprint == fingerprint else None


@dataclass(frozen=True, eq=False)
class Voice:
    """A voice as a store keeps it.

    Args:
        id: Its id.
        recordings: What it sounds like, in order.
        metadata: Whatever its owner wants to keep with it.
        version: Changes whenever the stored voice changes; given by the store that it was read from.
    """

    id: str
    recordings: tuple[Recording, ...]
    metadata: Metadata = field(default_factory=dict)
    version: str = ""


def check_recordings(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Check the recordings of one voice, all but the sound itself.

    Raises:
        InvalidArgumentError: there are none or too many, a file is empty or too large, or a transcript says nothing.
    """
    if not 1 <= len(recordings) <= MAX_RECORDINGS:
        raise InvalidArgumentError(
            Field.REFERENCE_AUDIO, f"got {len(recordings)} recordings", f"1 to {MAX_RECORDINGS} for one voice"
        )
    for recording in recordings:
        check_size(recording.audio)
        check_transcript(recording.transcript)
    return tuple(recordings)


def read_metadata(text: str) -> Metadata:
    """Read a voice's metadata.

    Args:
        text: JSON.

    Raises:
        InvalidArgumentError: it is no JSON object, or too large.
    """
    size_bytes = len(text.encode(errors="surrogatepass"))
    if size_bytes > MAX_METADATA_BYTES:
        raise InvalidArgumentError(Field.METADATA, f"has {size_bytes} bytes", METADATA_ALLOWED)
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(Field.METADATA, f"is no JSON: {error}", METADATA_ALLOWED) from error
    check_metadata(metadata)
    return dict(metadata)


def check_metadata(metadata: Any) -> None:
    """Refuse metadata that could not be written as JSON and read again as the same.

    Args:
        metadata: Read from JSON, or given by a program.

    Raises:
        InvalidArgumentError: it is no object, too large or too deep, or holds numbers or characters that are none.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidArgumentError(Field.METADATA, f"is a JSON {type(metadata).__name__}", METADATA_ALLOWED)
    if _depth(metadata, MAX_METADATA_DEPTH) > MAX_METADATA_DEPTH:
        raise InvalidArgumentError(Field.METADATA, "is nested too deep", METADATA_ALLOWED)
    try:
        written = json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        fault = "has half of a surrogate pair, which is no character"
        raise InvalidArgumentError(Field.METADATA, fault, METADATA_ALLOWED) from error
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(Field.METADATA, f"cannot be kept: {error}", METADATA_ALLOWED) from error
    if len(written) > 2 * MAX_METADATA_BYTES:  # written again, it may have more spaces than it came with
        raise InvalidArgumentError(Field.METADATA, f"has {len(written)} bytes", METADATA_ALLOWED)


def _depth(value: Any, limit: int) -> int:
    """How deep values are nested; beyond the limit it is not followed."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    if limit <= 0:
        return 1
    return 1 + max((_depth(each, limit - 1) for each in inner), default=0)


def describe(voice: Voice) -> VoiceRecord:
    """What a store reports of the voice."""
    return VoiceRecord(
        voice.id, tuple(_describe_recording(recording) for recording in voice.recordings), voice.metadata
    )


def _describe_recording(recording: Recording) -> RecordingRecord:
    codes = recording.codes
    return RecordingRecord(
        transcript=recording.transcript,
        audio_bytes=len(recording.audio),
        seconds=None if codes is None else round(codes.shape[1] / FRAMES_PER_SECOND, 2),
        codec=recording.fingerprint or None,
    )
