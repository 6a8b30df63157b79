"""OpenAI's envelope: what its SDK reads ``code``, ``param`` and ``type`` from."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from s1_gateway.errors import STATUS, Problem, Reason
from s1_protocol.names import Field


class ErrorObject(BaseModel):
    """What the SDK reads."""

    message: str
    type: str
    param: str | None
    code: str


class Envelope(BaseModel):
    """Every failure."""

    error: ErrorObject


FIELDS = {"text": "input", "max_characters": "input"}
"""Our names of fields where OpenAI's differ."""

_TYPES = {
    401: "invalid_request_error",
    403: "permission_error",
    429: "rate_limit_error",
}


def error_object(problem: Problem, fields: Mapping[str, str] = FIELDS) -> dict[str, Any]:
    """Make what stands under ``error``, in bodies and in events.

    Args:
        problem: What went wrong.
        fields: Names of fields where they differ from ours.
    """
    is_server = problem.status >= 500
    param = fields.get(problem.field, problem.field) if problem.field else None
    message = problem.message
    if problem.field and param != problem.field:
        message = message.replace(f"{problem.field}: ", f"{param}: ", 1)
    kind = "server_error" if is_server else _TYPES.get(problem.status, "invalid_request_error")
    code = "model_not_found" if problem.reason is Reason.NOT_FOUND and problem.field == "model" else problem.reason
    return {"message": message, "type": kind, "param": param, "code": str(code)}


def render(problem: Problem) -> JSONResponse:
    """Make the answer."""
    return JSONResponse({"error": error_object(problem)}, status_code=problem.status, headers=problem.headers())


def render_speech(problem: Problem) -> JSONResponse:
    """Make the answer of ``/v1/audio/speech``: an unknown voice is a wrong field, as it is at OpenAI's.

    A proxy such as LiteLLM takes 404 for a server that lacks the model, and asks it nothing for some seconds.
    """
    answer = render(problem)
    if problem.reason is Reason.NOT_FOUND and problem.field == Field.VOICE:
        answer.status_code = STATUS[Reason.INVALID]
    return answer
