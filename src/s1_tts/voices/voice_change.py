"""What is changed of a stored voice while its recordings and their codes stay: id, transcripts, metadata."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from s1_protocol.checks import check_transcript, check_voice_id
from s1_protocol.errors import InvalidArgumentError, NotFoundError, UnavailableError
from s1_protocol.names import Field
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.voices.store import VoiceStore
from s1_tts.voices.transcript import check_fit
from s1_tts.voices.voice import Metadata, Recording, Voice, read_metadata

MAX_TRIES: Final = 5
"""Times that a voice is read anew since another writer was faster."""


@dataclass(frozen=True)
class VoiceChange:
    """What shall be otherwise; what is empty stays as it is.

    Args:
        metadata: Members to be set; those that are None are taken out.
        transcripts: What is said in each recording, in their order.
        new_id: Another id.

    Raises:
        InvalidArgumentError: a transcript says nothing, the id is none, or nothing is to be changed.
    """

    metadata: Metadata | None = None
    transcripts: tuple[str, ...] = ()
    new_id: str | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without the voice."""
        for transcript in self.transcripts:
            check_transcript(transcript)
        if self.new_id is not None:
            check_voice_id(self.new_id, Field.NEW_ID)
        if self.metadata is None and not self.transcripts and self.new_id is None:
            allowed = f"{Field.METADATA}, {Field.REFERENCE_TEXT} or {Field.NEW_ID} beside it"
            raise InvalidArgumentError(Field.OPERATION, "changes nothing", allowed)

    def applied_to(self, voice: Voice) -> Voice:
        """The voice with what is changed.

        Raises:
            InvalidArgumentError: there are not as many transcripts as recordings, one is too long for its recording, or
                the metadata become too large.
        """
        return replace(
            voice,
            id=self.new_id or voice.id,
            recordings=self._recordings_of(voice),
            metadata=self._metadata_of(voice),
        )

    def _recordings_of(self, voice: Voice) -> tuple[Recording, ...]:
        if not self.transcripts:
            return voice.recordings
        if len(self.transcripts) != len(voice.recordings):
            fault = f"has {len(self.transcripts)} values for {len(voice.recordings)} recordings"
            raise InvalidArgumentError(Field.REFERENCE_TEXT, fault, "one transcript for each recording")
        for transcript, recording in zip(self.transcripts, voice.recordings, strict=True):
            if recording.codes is not None:  # one that was never encoded is checked when it is
                check_fit(transcript, recording.codes.shape[1] / FRAMES_PER_SECOND)
        return tuple(
            replace(recording, transcript=transcript)
            for transcript, recording in zip(self.transcripts, voice.recordings, strict=True)
        )

    def _metadata_of(self, voice: Voice) -> Metadata:
        if self.metadata is None:
            return voice.metadata
        merged = {name: value for name, value in {**voice.metadata, **self.metadata}.items() if value is not None}
        return read_metadata(json.dumps(merged, ensure_ascii=False))


def change_stored(store: VoiceStore, voice_id: str, change: VoiceChange) -> Voice:
    """Change a voice in its store; who reads it meanwhile reads the old one or the new one.

    Args:
        store: Where it is.
        voice_id: Its id.
        change: What shall be otherwise.

    Raises:
        NotFoundError: there is no such voice.
        InvalidArgumentError: the change does not fit the voice, or there is one of the new id.
        UnavailableError: others change the voice all the time, or the store does not answer.
    """
    for _ in range(MAX_TRIES):
        changed = change.applied_to(store.get(voice_id))
        if changed.id != voice_id:
            _put_under_new_id(store, changed)
            with suppress(NotFoundError):  # gone already, as it should be
                store.delete(voice_id)
            return changed
        if store.refresh(changed):
            return changed
    raise UnavailableError(f"the voice {voice_id!r} is being changed by others")


def _put_under_new_id(store: VoiceStore, voice: Voice) -> None:
    try:
        store.version(voice.id)
    except NotFoundError:
        store.put(voice)
        return
    raise InvalidArgumentError(Field.NEW_ID, f"there is a voice {voice.id!r} already", "the id of none")
