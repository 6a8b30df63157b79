"""Voices wherever they are: what can be done with them, and stores that are used without a server."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from s1_client.errors import S1ClientError
from s1_protocol.checks import check_voice_id
from s1_protocol.errors import S1Error
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_protocol.voice_record import VoiceRecord

STORE_EXTRA = "server"
"""Extra of the package that brings what a store needs."""


@dataclass(frozen=True)
class NewRecording:
    """A recording of a voice to be added.

    Args:
        audio: A whole sound file of any usual make (WAV, MP3, M4A, WebM, OGG, FLAC, ...), 1 to 90 s.
        transcript: What is said in it.
    """

    audio: bytes
    transcript: str


class VoiceError(S1ClientError):
    """A store refused, and says why."""


class Voices(Protocol):
    """Where voices are. Each call raises ``S1ClientError`` when it fails."""

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""

    def show(self, voice_id: str) -> VoiceRecord:
        """What is known of a voice."""

    def add(
        self, voice_id: str, recordings: Sequence[NewRecording], metadata: Mapping[str, Any] | None = None
    ) -> VoiceRecord:
        """Add a voice, or replace the one of the same id; ``metadata`` is kept with it."""

    def change(
        self,
        voice_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        transcripts: Sequence[str] = (),
        new_id: str | None = None,
    ) -> VoiceRecord:
        """Change what is known of a voice: members of its metadata (None takes one out), all transcripts, its id."""

    def remove(self, voice_id: str) -> None:
        """Remove a voice."""


@contextmanager
def _voice_errors() -> Iterator[None]:
    """Raise what the engine says of a voice as an error of the client."""
    try:
        yield
    except S1Error as error:
        raise VoiceError(str(error)) from error


class StoreVoices:
    """The voices of a store, without a server; the first server that uses a voice encodes it.

    Args:
        location: A folder, ``hf://owner/name[@revision]`` or ``s3://bucket[/prefix]``.

    Raises:
        VoiceError: the location is malformed, or a package is missing.
    """

    def __init__(self, location: str) -> None:
        try:
            # what a client installs has none of what a store needs
            from s1_tts.voices import audio, transcript, voice, voice_change  # noqa: PLC0415
            from s1_tts.voices.location import open_store  # noqa: PLC0415
            from s1_tts.voices.sound import reading  # noqa: F401, PLC0415  # missing packages are named now, not later
        except ImportError as error:
            raise VoiceError(f"{error.name} is not installed: pip install 's1-tts[{STORE_EXTRA}]'") from error
        self._voice = voice
        self._voice_change = voice_change
        self._read_recording = audio.read_recording
        self._check_fit = transcript.check_fit
        with _voice_errors():
            self._store = open_store(location)

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""
        with _voice_errors():
            return self._store.list()

    def show(self, voice_id: str) -> VoiceRecord:
        """What is known of a voice."""
        with _voice_errors():
            return self._voice.describe(self._store.get(check_voice_id(voice_id)))

    def add(
        self, voice_id: str, recordings: Sequence[NewRecording], metadata: Mapping[str, Any] | None = None
    ) -> VoiceRecord:
        """Add a voice, or replace the one of the same id."""
        voice = self._voice
        with _voice_errors():
            given = voice.check_recordings([voice.Recording(each.audio, each.transcript) for each in recordings])
            for recording in given:
                samples = self._read_recording(recording.audio)
                self._check_fit(recording.transcript, len(samples) / SAMPLE_RATE_HZ)
            kept = voice.read_metadata(json.dumps(dict(metadata or {})))
            added = voice.Voice(check_voice_id(voice_id), given, kept)
            self._store.put(added)
        record: VoiceRecord = voice.describe(added)
        return record

    def change(
        self,
        voice_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        transcripts: Sequence[str] = (),
        new_id: str | None = None,
    ) -> VoiceRecord:
        """Change what is known of a voice; its recordings stay."""
        with _voice_errors():
            change = self._voice_change.VoiceChange(metadata, tuple(transcripts), new_id)
            changed = self._voice_change.change_stored(self._store, check_voice_id(voice_id), change)
        record: VoiceRecord = self._voice.describe(changed)
        return record

    def remove(self, voice_id: str) -> None:
        """Remove a voice."""
        with _voice_errors():
            self._store.delete(check_voice_id(voice_id))
