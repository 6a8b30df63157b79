"""The application: folders of protocols on one typed state."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from s1_gateway.access_log import AccessLog
from s1_gateway.auth import Tokens
from s1_gateway.body_limit import BodyLimit
from s1_gateway.cartesia import endpoints as cartesia
from s1_gateway.cartesia import voices as cartesia_voices
from s1_gateway.errors import problem_of
from s1_gateway.fish import endpoints as fish_speech
from s1_gateway.fish import live as fish_live
from s1_gateway.fish import models as fish_models
from s1_gateway.fish import references as fish_references
from s1_gateway.heads import Heads
from s1_gateway.health import endpoints as health
from s1_gateway.jobs_http import endpoints as jobs
from s1_gateway.leaving import Leaving
from s1_gateway.limits import Limits
from s1_gateway.live import endpoints as live
from s1_gateway.openai import endpoints as openai_speech
from s1_gateway.openai import models as openai_models
from s1_gateway.openai import voices as openai_voices
from s1_gateway.openai.errors import render
from s1_gateway.origins import Origins
from s1_gateway.request_ids import RequestIds
from s1_gateway.settings import Settings
from s1_gateway.state import open_gateway
from s1_gateway.web import endpoints as web

ROUTERS = (
    health.router,
    openai_speech.router,
    openai_models.router,
    openai_voices.router,
    fish_speech.router,
    fish_models.router,
    fish_references.router,
    fish_live.router,
    cartesia.router,
    cartesia_voices.router,
    live.router,
    web.router,
    jobs.router,
)


def make_app(settings: Settings, limits: Limits, leaving: Leaving) -> FastAPI:
    """Make the application.

    Args:
        settings: Validated.
        limits: Who may come; outlives the application, whose server asks it for open streams.
        leaving: Whether the server is about to end.

    Raises:
        SettingsError: a token cannot be read.
    """
    tokens = Tokens.load(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[Mapping[str, Any]]:
        async with open_gateway(settings, tokens, limits, leaving) as gateway:
            yield {"gateway": gateway}

    middleware = [
        Middleware(RequestIds),
        Middleware(AccessLog),
        Middleware(Origins, allowed=settings.cors_origins, render=render),
        Middleware(BodyLimit, max_bytes=settings.max_body_bytes, idle_s=settings.handshake_s),
        Middleware(Heads),
    ]
    if settings.cors_origins:
        middleware.insert(
            0,
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.cors_origins),
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                # OpenAI's and Cartesia's SDKs send a dozen of their own from a page, and one that is refused fails all
                allow_headers=["*"],
                expose_headers=["x-request-id", "retry-after", "x-should-retry", "location", "content-range"],
            ),
        )
    app = FastAPI(
        title="S1-mini gateway",
        version="1",
        lifespan=lifespan,
        middleware=middleware,
        exception_handlers={
            HTTPException: render_stray,
            RequestValidationError: render_stray,
            Exception: render_stray,
        },
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    return app


async def render_stray(request: Request, error: Exception) -> Response:
    """Answer what no protocol's route took, such as a path that is not there, in OpenAI's shape."""
    problem = problem_of(error)
    request.state.problem = problem
    return render(problem)
