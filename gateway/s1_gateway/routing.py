"""Routes whose every failure comes in their protocol's envelope."""

from collections.abc import Awaitable, Callable
from inspect import signature
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from s1_gateway.errors import Render, problem_of
from s1_gateway.metrics import Door


def enveloped(render: Render, door: Door = Door.OTHER) -> type[APIRoute]:
    """Make the class of a protocol's routes.

    Args:
        render: The protocol's envelope.
        door: The protocol, as metrics name it.
    """

    class EnvelopedRoute(APIRoute):
        """A route whose failures come in one envelope."""

        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            # what takes the bare request needs nothing of FastAPI's, which takes 0.1 ms to find that out
            is_bare = list(signature(self.endpoint).parameters) == ["request"]
            handle = self.endpoint if is_bare else super().get_route_handler()

            async def handle_enveloped(request: Request) -> Response:
                request.state.door = door
                try:
                    return await handle(request)
                except Exception as error:  # whatever it is, problem_of decides what the caller may know
                    problem = problem_of(error)
                    request.state.problem = problem
                    return render(problem)

            return handle_enveloped

    return EnvelopedRoute


def described(envelope: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Describe a protocol's failures: the ``responses`` of its router.

    Args:
        envelope: What they look like.
    """
    return {
        "4XX": {"model": envelope, "description": "the caller's fault; the message says what is wrong"},
        "5XX": {"model": envelope, "description": "not the caller's fault; `retry-after` says when to ask again"},
    }
