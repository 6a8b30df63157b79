"""Which voice somebody asks for."""

from dataclasses import dataclass

from s1_protocol.checks import check_voice_id
from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_tts.voices.voice import Recording, check_recordings


@dataclass(frozen=True, eq=False)
class VoiceAsk:
    """A stored voice, recordings that came along, or neither.

    Args:
        voice: Id of a stored voice.
        recordings: Recordings to sound like, in order.

    Raises:
        InvalidArgumentError: the id is none, a recording cannot be right, or both came.
    """

    voice: str | None = None
    recordings: tuple[Recording, ...] = ()

    def __post_init__(self) -> None:
        """Check it; what is made of it later trusts it."""
        if self.recordings:
            check_recordings(self.recordings)
        if self.voice is not None and self.recordings:
            raise InvalidArgumentError(
                Field.VOICE, f"came together with {Field.REFERENCE_AUDIO}", "a stored voice or a recording, not both"
            )
        if self.voice is not None:
            check_voice_id(self.voice)

    @property
    def is_empty(self) -> bool:
        """Whether the model may choose a voice by itself."""
        return self.voice is None and not self.recordings
