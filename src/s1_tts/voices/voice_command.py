"""What a server can be ordered to do with its stored voices."""

from dataclasses import dataclass, field

from s1_protocol.checks import check_voice_id
from s1_protocol.names import VoiceOperation
from s1_tts.voices.voice import Metadata, Recording, check_recordings
from s1_tts.voices.voice_change import VoiceChange

CHANGES = frozenset({VoiceOperation.ADD, VoiceOperation.REMOVE, VoiceOperation.CHANGE})


@dataclass(frozen=True, eq=False)
class VoiceCommand:
    """One operation on the stored voices.

    Args:
        operation: What to do.
        voice_id: The voice; empty for ``list``.
        recordings: Recordings of a voice to add.
        metadata: Metadata of a voice to add.
        change: What shall be otherwise of a voice to change.

    Raises:
        InvalidArgumentError: the id is none, or a recording cannot be right.
    """

    operation: VoiceOperation
    voice_id: str = ""
    recordings: tuple[Recording, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    change: VoiceChange | None = None

    def __post_init__(self) -> None:
        """Check it; who carries it out trusts it, so no other text than an id ever reaches a store."""
        if self.operation is not VoiceOperation.LIST:
            check_voice_id(self.voice_id)
        if self.operation is VoiceOperation.ADD:
            check_recordings(self.recordings)

    @property
    def is_change(self) -> bool:
        """Whether it changes the store."""
        return self.operation in CHANGES
