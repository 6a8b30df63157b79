"""Fish's messages are msgpack, or JSON where the content type says so."""

from typing import Any

import msgpack

from s1_gateway.bodies import parse_json
from s1_gateway.errors import invalid


def unpack(message: bytes, what: str) -> Any:
    """Parse msgpack.

    Args:
        message: One value and nothing behind it.
        what: Its name in errors.

    Raises:
        GatewayError: it is none.
    """
    try:
        return msgpack.unpackb(message, ext_hook=_read_extension)
    # nested too deep, cut off, not UTF-8, a key that cannot be one, or a time that is none
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise invalid(None, f"{what} is not msgpack: {str(error) or type(error).__name__}") from None


def _read_extension(code: int, data: bytes) -> msgpack.ExtType | None:
    """Take msgpackr's mark of an undefined value, which JavaScript has in fields that are not set, for null."""
    return None if (code, data) == (0, b"\0") else msgpack.ExtType(code, data)


def pack(message: dict[str, Any]) -> bytes:
    """Make msgpack."""
    packed: bytes = msgpack.packb(message)
    return packed


def read_body(body: bytes, content_type: str) -> Any:
    """Parse a request's body, which is msgpack or JSON as its content type says.

    Raises:
        GatewayError: it is neither.
    """
    return unpack(body, "the body") if "msgpack" in content_type.lower() else parse_json(body)
