"""A worker's ``/healthz``, ``/readyz`` and ``/metrics``, for who watches over it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import uvicorn
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from s1_gateway.jobs.ledger import Ledger
from s1_gateway.metrics import Metrics
from s1_gateway.settings import Settings, SettingsError

_START_S = 0.01


def make_worker_app(ledger: Ledger, metrics: Metrics, is_ending: Callable[[], bool]) -> Starlette:
    """Make the application.

    Engines are not asked for: a worker waits for them while there are none.

    Args:
        ledger: Of jobs.
        metrics: The worker's.
        is_ending: Whether the worker begins no more jobs.
    """

    async def is_alive(_request: Request) -> Response:
        """Answer while the loop that holds all streams turns."""
        return JSONResponse({"worker": "alive"})

    async def is_ready(_request: Request) -> Response:
        """Answer 200 while jobs can be had."""
        if is_ending():
            return JSONResponse({"worker": "ending"}, 503)
        try:
            await ledger.load()
        except RedisError:
            return JSONResponse({"worker": "the records of jobs cannot be read"}, 503)
        return JSONResponse({"worker": "ready"})

    async def show_metrics(_request: Request) -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(
        routes=[Route("/healthz", is_alive), Route("/readyz", is_ready), Route("/metrics", show_metrics)],
    )


@asynccontextmanager
async def answering(settings: Settings, app: Starlette) -> AsyncGenerator[None]:
    """Answer on the port of the settings, if they name one.

    Args:
        settings: Where.
        app: What.

    Raises:
        SettingsError: the port cannot be had.
    """
    if settings.worker_port is None:
        yield
        return
    config = uvicorn.Config(
        app, settings.host, settings.worker_port, lifespan="off", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(_serve(server))
    try:
        while not server.started:
            if serving.done():
                raise SettingsError(
                    f"S1_GATEWAY_WORKER_PORT: {settings.host}:{settings.worker_port} cannot be listened on"
                )
            await asyncio.sleep(_START_S)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({serving})


async def _serve(server: uvicorn.Server) -> None:
    try:
        await server.serve()
    except SystemExit:  # how uvicorn ends when the port is taken
        return
