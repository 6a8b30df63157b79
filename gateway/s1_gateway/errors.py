"""One core of errors: what went wrong, what status that is, and whether asking again helps."""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from s1_client import (
    DeadlineError,
    ErrorCode,
    OptionError,
    ServerError,
    StreamError,
    UnexpectedAnswerError,
    UnreachableError,
)
from s1_gateway.encoding import SoundSpecError
from s1_protocol.request_options import VOICE

log = logging.getLogger(__name__)

RETRY_AFTER_S = 1
"""Clients ride over a short overload with their own retries; a long wait freezes a caller, who sees nothing of it."""


class Reason(StrEnum):
    """Why a request is refused or fails: the label of metrics and, where a protocol has codes, its code."""

    INVALID = "invalid_request"
    UNAUTHENTICATED = "invalid_api_key"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD = "method_not_allowed"
    SLOW = "request_timeout"
    CONFLICT = "already_exists"
    TOO_LARGE = "too_large"
    RANGE = "range_not_satisfiable"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota_exceeded"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    BROKEN = "broken_stream"
    CUT = "cut"
    INTERNAL = "internal"
    GONE = "caller_gone"


STATUS = {
    Reason.INVALID: 400,
    Reason.UNAUTHENTICATED: 401,
    Reason.FORBIDDEN: 403,
    Reason.NOT_FOUND: 404,
    Reason.METHOD: 405,
    Reason.SLOW: 408,
    Reason.CONFLICT: 409,
    Reason.TOO_LARGE: 413,
    Reason.RANGE: 416,
    Reason.RATE_LIMITED: 429,
    Reason.QUOTA: 429,
    Reason.BUSY: 503,
    Reason.UNREACHABLE: 503,
    Reason.TIMEOUT: 504,
    Reason.BROKEN: 502,
    Reason.CUT: 500,
    Reason.INTERNAL: 500,
    Reason.GONE: 499,
}
"""HTTP status of each; 499 is only ever written to a caller who is not there any more."""

_REPEATS = {Reason.QUOTA, Reason.CONFLICT, Reason.CUT}
"""Reasons whose status makes clients ask again although the answer will be the same."""


NO_FAULT_OF_THE_CALLER = frozenset({Reason.BUSY, Reason.UNREACHABLE, Reason.TIMEOUT, Reason.BROKEN, Reason.INTERNAL})
"""Reasons for which a request counts for nothing where it was not served."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong, in no protocol's words.

    Args:
        reason: Its kind.
        message: For the caller: names the field, what came and what is allowed.
        field: The option or field at fault, by our name; None: no single one is.
        retry_after_s: When asking again may help; None: nothing is said.
    """

    reason: Reason
    message: str
    field: str | None = None
    retry_after_s: int | None = None

    @property
    def status(self) -> int:
        """HTTP status."""
        return STATUS[self.reason]

    def headers(self) -> dict[str, str]:
        """Headers that tell a client whether and when to ask again."""
        headers = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(self.retry_after_s)
        if self.reason in _REPEATS:
            headers["x-should-retry"] = "false"
        return headers


Render = Callable[[Problem], Response]
"""A protocol's envelope."""


class GatewayError(Exception):
    """A problem on its way to the caller."""

    def __init__(
        self, reason: Reason, message: str, *, field: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.problem = Problem(reason=reason, message=message, field=field, retry_after_s=retry_after_s)


class CallerGoneError(GatewayError):
    """The caller hung up before the answer began."""

    def __init__(self) -> None:
        super().__init__(Reason.GONE, "the caller hung up")


def invalid(field: str | None, fault: str) -> GatewayError:
    """Make the error of a field that is wrong; ``fault`` says what came and what is allowed."""
    return GatewayError(Reason.INVALID, f"{field}: {fault}" if field else fault, field=field)


_CODES: Mapping[ErrorCode, Reason] = {
    ErrorCode.INVALID_ARG: Reason.INVALID,
    ErrorCode.NOT_FOUND: Reason.NOT_FOUND,
    ErrorCode.UNAVAILABLE: Reason.BUSY,
    # nobody but the engine can have ended it: a caller who left reads no answer
    ErrorCode.CANCELLED: Reason.BROKEN,
    ErrorCode.INTERNAL: Reason.INTERNAL,
}


def problem_of(error: Exception) -> Problem:
    """Say what an exception means to the caller; what is nobody's word is logged under an id."""
    match error:
        case GatewayError():
            problem = error.problem
        case OptionError() | SoundSpecError():
            problem = Problem(reason=Reason.INVALID, message=str(error), field=error.field)
        case ServerError(code=ErrorCode() as code):
            problem = _of_server(_CODES[code], error.message)
        case UnreachableError():
            log.warning("no server answers: %s", error)
            message = "no speech server answers"
            problem = Problem(reason=Reason.UNREACHABLE, message=message, retry_after_s=2 * RETRY_AFTER_S)
        case DeadlineError():
            problem = Problem(reason=Reason.TIMEOUT, message=str(error))
        case StreamError() | UnexpectedAnswerError() | ServerError():
            log.warning("a speech server broke off: %s", error)
            problem = Problem(reason=Reason.BROKEN, message="the speech server broke off the answer")
        case RequestValidationError() | ValidationError():
            problem = _of_validation(error)
        case HTTPException():
            problem = _of_http(error)
        case _:
            problem = _unexpected(error)
    return problem


def _unexpected(error: Exception) -> Problem:
    error_id = secrets.token_hex(6)
    log.error("internal error %s", error_id, exc_info=error)
    message = f"internal error {error_id}; the gateway's log has the details under this id"
    return Problem(reason=Reason.INTERNAL, message=message)


def _of_server(reason: Reason, message: str) -> Problem:
    field, colon, _ = message.partition(": ")
    is_named = reason is Reason.INVALID and bool(colon) and field.isidentifier()
    retry_after_s = RETRY_AFTER_S if reason is Reason.BUSY else None
    if reason is Reason.NOT_FOUND:  # nothing else that a request names is looked for
        field, is_named = VOICE.field, True
    return Problem(reason=reason, message=message, field=field if is_named else None, retry_after_s=retry_after_s)


_NO_OBJECT = {"model_type", "model_attributes_type", "dict_type"}
"""Errors whose own words name classes of ours."""


def _of_validation(error: RequestValidationError | ValidationError) -> Problem:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    field = ".".join(path) or None
    came = first.get("input")
    # a whole body or file that lacks a field is not repeated to the caller
    shown = f"; got {came!r:.80}" if isinstance(came, str | int | float | bool) else ""
    fault = "an object is needed" if first["type"] in _NO_OBJECT else first["msg"]
    message = f"{fault}{shown}"
    return Problem(reason=Reason.INVALID, message=f"{field}: {message}" if field else message, field=field)


def _of_http(error: HTTPException) -> Problem:
    if isinstance(error.__cause__, GatewayError):  # FastAPI takes whatever a form's body raises for a malformed one
        return error.__cause__.problem
    reasons = {404: Reason.NOT_FOUND, 405: Reason.METHOD, 413: Reason.TOO_LARGE}
    return Problem(reason=reasons.get(error.status_code, Reason.INVALID), message=str(error.detail))
