"""``/healthz``, ``/readyz``, ``/metrics``."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from s1_client import S1ClientError
from s1_gateway.auth import Scope
from s1_gateway.openai.errors import Envelope, render
from s1_gateway.routing import described, enveloped
from s1_gateway.state import TheGateway

router = APIRouter(tags=["operations"], route_class=enveloped(render), responses=described(Envelope))


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """Answer as long as the process can; restarting helps nothing that this does not see."""
    return {"gateway": "alive"}


class Readiness(BaseModel):
    """How the gateway is, in words."""

    gateway: str


def _readiness(words: str, status: int) -> JSONResponse:
    return JSONResponse(Readiness(gateway=words).model_dump(), status)


@router.get("/readyz", responses={503: {"model": Readiness, "description": "no new ones can"}})
async def is_ready(gateway: TheGateway) -> JSONResponse:
    """Answer 200 while new requests can be served."""
    if gateway.leaving.is_begun:
        return _readiness("draining", 503)
    try:
        health = await gateway.client.health()
    except S1ClientError:
        return _readiness("no server answers", 503)
    if not health.is_ready:
        return _readiness("no server is ready", 503)
    return _readiness("ready", 200)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def show_metrics(request: Request, gateway: TheGateway) -> Response:
    """Write the metrics for Prometheus."""
    if not gateway.settings.open_metrics:
        gateway.caller_of(request).need(Scope.METRICS)
    return Response(gateway.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")
