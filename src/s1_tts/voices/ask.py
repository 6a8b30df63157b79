"""Which voice a request asks for; the one place where ``voice`` and ``reference_*`` are checked."""

from dataclasses import dataclass
from typing import Self

from s1_protocol.checks import check_voice_id
from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_tts.request import Tensors, read_elements, read_string, read_strings
from s1_tts.voices.voice import Recording, check_recordings


@dataclass(frozen=True, eq=False)
class VoiceAsk:
    """A stored voice, recordings that came along, or neither.

    Args:
        voice: Id of a stored voice.
        recordings: Recordings to sound like, in order.
    """

    voice: str | None = None
    recordings: tuple[Recording, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the model may choose a voice by itself."""
        return self.voice is None and not self.recordings

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Read the voice of a request.

        Args:
            tensors: ``voice`` of one value; ``reference_audio`` and ``reference_text`` of as many values each.

        Raises:
            InvalidArgumentError: a field is wrong, or two do not go together.
        """
        recordings = read_recordings(tensors)
        if Field.VOICE not in tensors:
            return cls(recordings=recordings)
        if recordings:
            raise InvalidArgumentError(
                Field.VOICE, f"came together with {Field.REFERENCE_AUDIO}", "a stored voice or a recording, not both"
            )
        return cls(voice=read_voice_id(tensors))


def read_voice_id(tensors: Tensors) -> str:
    """Id in a request that must have one.

    Raises:
        InvalidArgumentError: it is missing or no id.
    """
    if Field.VOICE not in tensors:
        raise InvalidArgumentError(Field.VOICE, "is missing", "the id of a voice")
    return check_voice_id(read_string(tensors, Field.VOICE))


def read_recordings(tensors: Tensors) -> tuple[Recording, ...]:
    """Recordings in a request with their transcripts, none if it has neither.

    Raises:
        InvalidArgumentError: one came without the other, or one of them cannot be right.
    """
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
    if len(audios) != len(texts):
        raise InvalidArgumentError(
            Field.REFERENCE_TEXT,
            f"has {len(texts)} values beside {len(audios)} of {Field.REFERENCE_AUDIO}",
            "one transcript for each recording",
        )
    return check_recordings([Recording(audio, text) for audio, text in zip(audios, texts, strict=True)])
