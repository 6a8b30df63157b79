"""Whether a transcript can be what is said in a recording."""

from typing import Final

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_protocol.text.spoken_length import spoken_letters

MAX_LETTERS_PER_S: Final = 30.0
"""Twice a brisk reader of English (180 words a minute), and more than anybody is understood at."""
_SLACK_LETTERS: Final = 15.0


def check_fit(transcript: str, length_s: float) -> None:
    """Refuse a transcript that nobody can have said in the time of its recording.

    A voice made of both would speak the rest of its transcript into other texts.

    Args:
        transcript: What is said in the recording.
        length_s: Length of the recording.

    Raises:
        InvalidArgumentError: it is too long.
    """
    if spoken_letters(transcript) > MAX_LETTERS_PER_S * length_s + _SLACK_LETTERS:
        raise InvalidArgumentError(
            Field.REFERENCE_TEXT,
            f"has {len(transcript)} characters, which cannot be said in the {length_s:.2f} s of its recording",
            f"what is said in the recording, at most about {MAX_LETTERS_PER_S:.0f} letters a second; "
            "perhaps the recording was cut",
        )
