"""One small exception tree; each error knows its code, and a code its HTTP and gRPC statuses."""

import logging
import secrets
from enum import Enum


class ErrorCode(Enum):
    """What happened, named as ``pb_utils.TritonError`` names it; the value is the HTTP status of our surfaces."""

    INVALID_ARG = 400
    NOT_FOUND = 404
    CANCELLED = 499
    INTERNAL = 500
    UNAVAILABLE = 503

    @property
    def http_status(self) -> int:
        """HTTP status that tells the same."""
        return self.value

    @property
    def grpc_status(self) -> str:
        """Name of the gRPC status that tells the same."""
        return "INVALID_ARGUMENT" if self is ErrorCode.INVALID_ARG else self.name


class S1Error(Exception):
    """Base of every error a caller may see; ``str(error)`` is the message for the caller."""

    code = ErrorCode.INTERNAL


class InvalidArgumentError(S1Error):
    """A field of the request is wrong.

    Args:
        field: Name of the tensor or option.
        fault: What came and what is wrong with it.
        allowed: What would have been right.
    """

    code = ErrorCode.INVALID_ARG

    def __init__(self, field: str, fault: str, allowed: str) -> None:
        super().__init__(f"{field}: {fault}; allowed: {allowed}")
        self.field = field


class NotFoundError(S1Error):
    """Something the request names does not exist."""

    code = ErrorCode.NOT_FOUND


class UnavailableError(S1Error):
    """The server cannot take the request now; trying again later is right."""

    code = ErrorCode.UNAVAILABLE


class CancelledError(S1Error):
    """The caller went away."""

    code = ErrorCode.CANCELLED


class InternalError(S1Error):
    """Something broke on our side.

    Args:
        error_id: Id under which the log holds the details; the caller gets nothing else.
    """

    code = ErrorCode.INTERNAL

    def __init__(self, error_id: str) -> None:
        super().__init__(f"internal error {error_id}; the server's log has the details under this id")
        self.error_id = error_id


class CheckpointError(S1Error):
    """A checkpoint is missing, incomplete or not of the published format."""


class SettingsError(S1Error):
    """A setting is unknown or out of range."""


def new_error_id() -> str:
    """Make an id under which the log holds what a caller is not told."""
    return secrets.token_hex(6)


def log_internal_error(log: logging.Logger, what: str, error: BaseException) -> InternalError:
    """Log an unexpected failure under a fresh id and make the error that tells the caller no more than that id.

    Args:
        log: Logger of the module where it happened.
        what: What failed, in words.
        error: The failure; its traceback goes into the log.
    """
    internal = InternalError(new_error_id())
    log.error("%s [error %s]", what, internal.error_id, exc_info=error)
    return internal
