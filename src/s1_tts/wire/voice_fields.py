"""Which voice a request asks for, and what it orders to be done with the stored ones."""

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field, VoiceOperation
from s1_tts.voices.voice import Metadata, Recording, read_metadata
from s1_tts.voices.voice_ask import VoiceAsk
from s1_tts.voices.voice_change import VoiceChange
from s1_tts.voices.voice_command import VoiceCommand
from s1_tts.wire.arrays import Tensors
from s1_tts.wire.fields import read_elements, read_string, read_strings


def read_voice_ask(tensors: Tensors) -> VoiceAsk:
    """Read the voice of a request for speech.

    Args:
        tensors: ``voice`` of one value; ``reference_audio`` and ``reference_text`` of as many values each.

    Raises:
        InvalidArgumentError: a field is wrong, or two do not go together.
    """
    recordings = _read_recordings(tensors)
    return VoiceAsk(read_string(tensors, Field.VOICE) if Field.VOICE in tensors else None, recordings)


def is_voice_command(tensors: Tensors) -> bool:
    """Whether a request is an order, not one for speech."""
    return Field.OPERATION in tensors


def read_voice_command(tensors: Tensors) -> VoiceCommand:
    """Read an order.

    Raises:
        InvalidArgumentError: a field is wrong or missing.
    """
    operation = _read_operation(tensors)
    if operation is VoiceOperation.LIST:
        return VoiceCommand(operation)
    if Field.VOICE not in tensors:
        raise InvalidArgumentError(Field.VOICE, "is missing", "the id of a voice")
    voice_id = read_string(tensors, Field.VOICE)
    if operation not in (VoiceOperation.ADD, VoiceOperation.CHANGE):
        return VoiceCommand(operation, voice_id)
    metadata = read_metadata(read_string(tensors, Field.METADATA)) if Field.METADATA in tensors else None
    if operation is VoiceOperation.ADD:
        return VoiceCommand(operation, voice_id, _read_recordings(tensors), metadata or {})
    return VoiceCommand(operation, voice_id, change=_read_change(tensors, metadata))


def _read_change(tensors: Tensors, metadata: Metadata | None) -> VoiceChange:
    if Field.REFERENCE_AUDIO in tensors:
        allowed = f"none, as recordings stay; {VoiceOperation.ADD.value!r} replaces a voice"
        raise InvalidArgumentError(Field.REFERENCE_AUDIO, "came with a change", allowed)
    transcripts = tuple(read_strings(tensors, Field.REFERENCE_TEXT)) if Field.REFERENCE_TEXT in tensors else ()
    new_id = read_string(tensors, Field.NEW_ID) if Field.NEW_ID in tensors else None
    return VoiceChange(metadata, transcripts, new_id)


def _read_operation(tensors: Tensors) -> VoiceOperation:
    value = read_string(tensors, Field.OPERATION)
    try:
        return VoiceOperation(value)
    except ValueError as error:
        raise InvalidArgumentError(Field.OPERATION, f"got {value[:80]!r}", ", ".join(VoiceOperation)) from error


def _read_recordings(tensors: Tensors) -> tuple[Recording, ...]:
    """Recordings in a request with their transcripts, none if it has neither."""
    for given, missing in (
        (Field.REFERENCE_AUDIO, Field.REFERENCE_TEXT),
        (Field.REFERENCE_TEXT, Field.REFERENCE_AUDIO),
    ):
        if given in tensors and missing not in tensors:
            raise InvalidArgumentError(missing, f"is missing beside {given}", "both or neither")
    if Field.REFERENCE_AUDIO not in tensors:
        return ()
    audios = [bytes(audio) for audio in read_elements(tensors, Field.REFERENCE_AUDIO)]
    texts = read_strings(tensors, Field.REFERENCE_TEXT)
    if not audios:
        raise InvalidArgumentError(Field.REFERENCE_AUDIO, "has no values", "a recording or several, or no such tensor")
    if len(audios) != len(texts):
        raise InvalidArgumentError(
            Field.REFERENCE_TEXT,
            f"has {len(texts)} values beside {len(audios)} of {Field.REFERENCE_AUDIO}",
            "one transcript for each recording",
        )
    return tuple(Recording(audio, text) for audio, text in zip(audios, texts, strict=True))
