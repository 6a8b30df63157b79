"""Failures of jobs, in OpenAI's envelope with our names of fields."""

from starlette.responses import JSONResponse

from s1_gateway.errors import Problem
from s1_gateway.openai.errors import error_object


def render(problem: Problem) -> JSONResponse:
    """Make the answer."""
    error = error_object(problem, fields={})
    return JSONResponse({"error": error}, status_code=problem.status, headers=problem.headers())
