"""Our errors as Triton's and back; the one place that knows both."""

import logging
from typing import Any

import triton_python_backend_utils as pb_utils

from s1_protocol.errors import ErrorCode, S1Error, log_internal_error
from s1_tts.wire.coded_errors import RemoteError, decode_error, encode_error


def to_triton_error(error: S1Error, *, is_coded: bool = False) -> Any:
    """Make the ``pb_utils.TritonError`` that a caller gets.

    Args:
        error: What happened.
        is_coded: Whether the message begins with the code.
    """
    return pb_utils.TritonError(encode_error(error) if is_coded else str(error), _triton_code(error.code))


def from_triton_error(error: Any) -> RemoteError:
    """Take over the error in another model's response."""
    return decode_error(error.message())


def as_s1_error(log: logging.Logger, what: str, error: BaseException) -> S1Error:
    """Make any exception one that a caller may see. It is not to be raised again: its traceback goes.

    A frame that failed holds what it worked with, such as a recording, and often the error too: such a circle would
    stay until Python looks for circles, which may be hundreds of requests later.

    Args:
        log: Where an unexpected one is logged.
        what: What failed.
        error: The exception; ours are handed back as they are.
    """
    told = error if isinstance(error, S1Error) else log_internal_error(log, what, error)
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return told


def _triton_code(code: ErrorCode) -> Any:
    # Looked up when used: while a model is being imported, Triton has not completed this module yet.
    return getattr(pb_utils.TritonError, code.name)
