"""Cartesia's envelope: over HTTP an object, on the socket a message of type ``error``."""

from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from s1_gateway.errors import Problem
from s1_protocol.names import Field

FIELDS = {
    "text": "transcript",
    Field.VOICE.value: "voice.id",
    "sample_rate": "output_format.sample_rate",
    "bit_rate": "output_format.bit_rate",
    "speed": "generation_config.speed",
}
"""Our names of fields where Cartesia's differ."""


class Envelope(BaseModel):
    """Every failure."""

    title: str
    message: str
    error_code: str
    status_code: int


def error_object(problem: Problem) -> dict[str, Any]:
    """Make what is told of a failure."""
    name = FIELDS.get(problem.field or "")
    message = problem.message.replace(f"{problem.field}: ", f"{name}: ", 1) if name else problem.message
    title = str(problem.reason).replace("_", " ").capitalize()
    return {"title": title, "message": message, "error_code": str(problem.reason), "status_code": problem.status}


def error_message(problem: Problem, context_id: str | None) -> dict[str, Any]:
    """Make the message.

    Args:
        problem: What went wrong.
        context_id: Whose; None: of no context. Pipecat wants the key in every message.
    """
    told = error_object(problem)
    # Cartesia says done: true here, which LiveKit takes for the end of speech that was said whole; its Node plugin
    # passes over errors that lack the key `error`
    return {"type": "error", "context_id": context_id, "done": False, "error": told["message"], **told}


def render(problem: Problem) -> JSONResponse:
    """Make the answer to a request or a handshake that is refused."""
    return JSONResponse(error_object(problem), status_code=problem.status, headers=problem.headers())
