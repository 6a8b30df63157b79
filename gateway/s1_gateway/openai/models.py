"""``/v1/models`` and what else clients ask before they speak."""

from typing import Any, Final

from fastapi import APIRouter

from s1_gateway.errors import GatewayError, Reason
from s1_gateway.metrics import Door
from s1_gateway.openai.errors import Envelope, render
from s1_gateway.routing import described, enveloped
from s1_gateway.settings import Settings
from s1_gateway.state import Listing, TheGateway

router = APIRouter(
    prefix="/v1", tags=["OpenAI"], route_class=enveloped(render, Door.OPENAI), responses=described(Envelope)
)

OWN_MODEL: Final = "s1-mini"
HABITUAL_MODELS: Final = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "s1", "s2-pro")
"""Names that clients send by habit; all of them mean the one model that is there."""

_CREATED_S: Final = 1_764_201_600
"""Clients want a time; it means nothing."""


def models_of(settings: Settings) -> list[str]:
    """Names of models that are listed."""
    return [OWN_MODEL] if settings.strict else [OWN_MODEL, *HABITUAL_MODELS]


def check_model(name: str, settings: Settings) -> None:
    """Refuse a name that means nothing, where names are taken strictly.

    Raises:
        GatewayError: it does.
    """
    if settings.strict and name != OWN_MODEL:
        raise GatewayError(Reason.NOT_FOUND, f"model: got {name!r:.80}; allowed: {OWN_MODEL}", field="model")


def _describe(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED_S, "owned_by": "s1-tts"}


@router.get("/models")
async def list_models(gateway: TheGateway, _caller: Listing) -> dict[str, Any]:
    """List the model under all of its names."""
    return {"object": "list", "data": [_describe(name) for name in models_of(gateway.settings)]}


@router.get("/models/{name}")
async def show_model(name: str, gateway: TheGateway, _caller: Listing) -> dict[str, Any]:
    """Describe the model."""
    if name not in models_of(gateway.settings):
        raise GatewayError(Reason.NOT_FOUND, f"model: there is none of the name {name!r:.80}", field="model")
    return _describe(name)


@router.get("/audio/models")
async def list_audio_models(gateway: TheGateway, _caller: Listing) -> dict[str, Any]:
    """List the models as Open WebUI asks for them."""
    return {"models": [{"id": name, "name": name} for name in models_of(gateway.settings)]}


@router.get("/test")
async def answer_test() -> dict[str, str]:
    """Answer wyoming-openai, which then asks for ``/v1/audio/voices``."""
    return {"status": "ok"}


@router.get("/")
async def answer_root() -> dict[str, str]:
    """Answer LiveKit's warming up of the connection."""
    return {"object": "s1_gateway"}
