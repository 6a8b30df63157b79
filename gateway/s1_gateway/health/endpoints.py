"""``/healthz``, ``/readyz``, ``/metrics``."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from s1_client import S1ClientError
from s1_gateway.auth import Scope
from s1_gateway.openai.errors import render
from s1_gateway.routing import enveloped
from s1_gateway.state import TheGateway

router = APIRouter(tags=["operations"], route_class=enveloped(render))


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """Answer as long as the process can; restarting helps nothing that this does not see."""
    return {"gateway": "alive"}


@router.get("/readyz", responses={503: {"description": "no server is ready, or the gateway is about to end"}})
async def is_ready(gateway: TheGateway) -> JSONResponse:
    """Answer 200 while new requests can be served."""
    if gateway.limits.is_draining:
        return JSONResponse({"gateway": "draining"}, 503)
    try:
        health = await gateway.client.health()
    except S1ClientError:
        return JSONResponse({"gateway": "no server answers"}, 503)
    if not health.is_ready:
        return JSONResponse({"gateway": "no server is ready"}, 503)
    return JSONResponse({"gateway": "ready"})


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
async def show_metrics(request: Request, gateway: TheGateway) -> Response:
    """Write the metrics for Prometheus."""
    if not gateway.settings.open_metrics:
        gateway.caller_of(request).need(Scope.METRICS)
    return Response(gateway.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")
