"""Checks of texts and ids that every caller's request goes through, wherever it comes in first."""

import re

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.limits import MAX_TEXT_CHARACTERS, MAX_TRANSCRIPT_CHARACTERS
from s1_protocol.names import Field
from s1_protocol.request_options import REFERENCE_TEXT, TEXT, VOICE
from s1_protocol.text.cleaning import is_speakable

_VOICE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_text(text: str) -> str:
    """Hand a text back if it can be said.

    Raises:
        InvalidArgumentError: it has no letter or digit, or is too long.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidArgumentError(TEXT.field, f"has {len(text)} characters", TEXT.allowed)
    if not is_speakable(text):
        fault = "has nothing to say (no letter or digit)" if text.strip() else "is empty"
        raise InvalidArgumentError(TEXT.field, fault, TEXT.allowed)
    return text


def check_transcript(text: str) -> str:
    """Hand a transcript back if something is said in it.

    Raises:
        InvalidArgumentError: it has no letter or digit, or is too long.
    """
    if not any(character.isalnum() for character in text):
        raise InvalidArgumentError(REFERENCE_TEXT.field, "has no letter or digit", REFERENCE_TEXT.allowed)
    if len(text) > MAX_TRANSCRIPT_CHARACTERS:
        raise InvalidArgumentError(REFERENCE_TEXT.field, f"has {len(text)} characters", REFERENCE_TEXT.allowed)
    return text


def is_voice_id(text: str) -> bool:
    """Whether a text may be a voice's id."""
    return _VOICE_ID.fullmatch(text) is not None


def check_voice_id(text: str, field: Field = VOICE.field) -> str:
    """Hand an id back if it is one; no other text ever reaches a store.

    Args:
        text: What came.
        field: Where it stood.

    Raises:
        InvalidArgumentError: it is none.
    """
    if not is_voice_id(text):
        raise InvalidArgumentError(field, f"got {text[:80]!r}", VOICE.allowed)
    return text
