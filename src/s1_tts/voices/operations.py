"""What a server can be ordered to do with its stored voices."""

from dataclasses import dataclass, field
from typing import Self

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field, VoiceOperation
from s1_tts.request import Tensors, read_string
from s1_tts.voices.ask import read_recordings, read_voice_id
from s1_tts.voices.voice import Metadata, Recording, check_recordings, read_metadata

CHANGES = frozenset({VoiceOperation.ADD, VoiceOperation.REMOVE})


@dataclass(frozen=True, eq=False)
class VoiceCommand:
    """One operation on the stored voices.

    Args:
        operation: What to do.
        voice_id: The voice; empty for ``list``.
        recordings: Recordings of a voice to add.
        metadata: Metadata of a voice to add.
    """

    operation: VoiceOperation
    voice_id: str = ""
    recordings: tuple[Recording, ...] = ()
    metadata: Metadata = field(default_factory=dict)

    @staticmethod
    def is_in(tensors: Tensors) -> bool:
        """Whether a request is an operation, not one for speech."""
        return Field.OPERATION in tensors

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Read an operation.

        Raises:
            InvalidArgumentError: a field is wrong or missing.
        """
        operation = _read_operation(tensors)
        if operation is VoiceOperation.LIST:
            return cls(operation)
        voice_id = read_voice_id(tensors)
        if operation is not VoiceOperation.ADD:
            return cls(operation, voice_id)
        metadata = read_metadata(read_string(tensors, Field.METADATA)) if Field.METADATA in tensors else {}
        return cls(operation, voice_id, check_recordings(read_recordings(tensors)), metadata)

    @property
    def is_change(self) -> bool:
        """Whether it changes the store."""
        return self.operation in CHANGES


def _read_operation(tensors: Tensors) -> VoiceOperation:
    value = read_string(tensors, Field.OPERATION)
    try:
        return VoiceOperation(value)
    except ValueError as error:
        raise InvalidArgumentError(Field.OPERATION, f"got {value[:80]!r}", ", ".join(VoiceOperation)) from error
