"""What can be said: limits of a text, told before it costs anything."""

from s1_gateway.errors import invalid


def check_text(text: str, max_characters: int) -> None:
    """Refuse a text that cannot be said whole.

    Args:
        text: What came.
        max_characters: Longest one allowed.

    Raises:
        GatewayError: it is empty, too long or no Unicode text.
    """
    if not text.strip():
        raise invalid("text", f"got nothing to say; allowed: 1 to {max_characters} characters")
    if len(text) > max_characters:
        raise invalid("text", f"got {len(text)} characters; allowed: at most {max_characters}")
    check_unicode("text", text)


def check_unicode(field: str, text: str) -> None:
    """Refuse halves of surrogate pairs, which escapes can write and UTF-8 cannot.

    Raises:
        GatewayError: there is one.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        fault = f"got U+{ord(text[error.start]):04X} at character {error.start}; allowed: Unicode text"
        raise invalid(field, fault) from None
