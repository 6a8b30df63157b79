"""Errors that travel between models as one string, since requests between models lose the code."""

from s1_protocol.coded_message import CodedMessage
from s1_protocol.errors import ErrorCode, S1Error


class RemoteError(S1Error):
    """An error that another model answered with; code and message are its own.

    Args:
        code: What happened.
        message: The message for the caller.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def encode_error(error: S1Error) -> str:
    """Write an error into one string."""
    return CodedMessage.of(error).write()


def decode_error(text: str) -> RemoteError:
    """Read :func:`encode_error`'s string, also behind what Triton puts before it; without a code it is INTERNAL."""
    coded = CodedMessage.read(text)
    return RemoteError(coded.code or ErrorCode.INTERNAL, coded.message)
