"""What a store reports of a voice: all but the sound and the codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class RecordingRecord:
    """What a store reports of one recording of a voice.

    Args:
        transcript: What is said in it.
        audio_bytes: Size of the audio file.
        seconds: Its length; None while it has not been encoded.
        codec: Fingerprint of the codec that encoded it; None while none has.
    """

    transcript: str
    audio_bytes: int
    seconds: float | None = None
    codec: str | None = None


@dataclass(frozen=True)
class VoiceRecord:
    """What a store reports of a voice.

    Args:
        id: Its id.
        recordings: What it sounds like, in order.
        metadata: Whatever its owner keeps with it, a JSON object.
    """

    id: str
    recordings: tuple[RecordingRecord, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Write it as a JSON object."""
        return {
            "id": self.id,
            "metadata": dict(self.metadata),
            "recordings": [vars(recording).copy() for recording in self.recordings],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read :meth:`to_json`'s object; members that are not known are passed over, since servers may grow.

        Raises:
            KeyError: a member is missing.
            TypeError: something else stands where an object or a list should.
        """
        recordings = tuple(
            RecordingRecord(each["transcript"], each["audio_bytes"], each.get("seconds"), each.get("codec"))
            for each in value["recordings"]
        )
        return cls(value["id"], recordings, dict(value["metadata"]))
