"""Our own envelope: ``{"error": {...}}``, over HTTP and on the socket."""

from typing import Any

from starlette.responses import JSONResponse

from s1_gateway.errors import Problem


def error_object(problem: Problem) -> dict[str, Any]:
    """Make what stands under ``error``."""
    return {
        "message": problem.message,
        "code": str(problem.reason),
        "field": problem.field,
        "status": problem.status,
        "retry_after_s": problem.retry_after_s,
    }


def render(problem: Problem) -> JSONResponse:
    """Make the answer to a handshake that is refused."""
    return JSONResponse({"error": error_object(problem)}, status_code=problem.status, headers=problem.headers())
