"""Fish's envelope: an object with ``status`` and ``message`` and nothing else, which its older package takes apart."""

from pydantic import BaseModel
from starlette.responses import JSONResponse

from s1_gateway.errors import Problem, Reason
from s1_protocol.names import Field

FIELDS = {
    Field.VOICE.value: "reference_id",
    Field.REFERENCE_AUDIO.value: "references.audio",
    Field.REFERENCE_TEXT.value: "references.text",
    "speed": "prosody.speed",
    "volume": "prosody.volume",
}
"""Our names of fields where Fish's differ."""


class Envelope(BaseModel):
    """Every failure."""

    status: int
    message: str


def message_of(problem: Problem) -> str:
    """What the caller is told, with Fish's names of fields."""
    name = FIELDS.get(problem.field or "")
    return problem.message.replace(f"{problem.field}: ", f"{name}: ", 1) if name else problem.message


def render(problem: Problem) -> JSONResponse:
    """Make the answer."""
    return _answer(problem, problem.status)


def render_speech(problem: Problem) -> JSONResponse:
    """Make the answer to a request for speech: a voice that is not there is a fault of the request, as at Fish."""
    is_unknown_voice = problem.reason is Reason.NOT_FOUND and problem.field == Field.VOICE
    return _answer(problem, 400 if is_unknown_voice else problem.status)


def _answer(problem: Problem, status: int) -> JSONResponse:
    content = {"status": status, "message": message_of(problem)}
    return JSONResponse(content, status_code=status, headers=problem.headers())
