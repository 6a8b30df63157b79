"""``/voices``: the names that ``voice`` takes, as Cartesia's SDK lists them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from s1_gateway.cartesia.errors import Envelope, render
from s1_gateway.errors import GatewayError, Reason
from s1_gateway.metrics import Door
from s1_gateway.routing import described, enveloped
from s1_gateway.state import Listing, TheGateway
from s1_gateway.voices.names import NamedVoice

router = APIRouter(
    prefix="/voices", tags=["Cartesia"], route_class=enveloped(render, Door.CARTESIA), responses=described(Envelope)
)

NO_TIME: Final = datetime.fromtimestamp(0, UTC).isoformat()
"""Clients want a time; it means nothing."""


def describe(voice: NamedVoice) -> dict[str, Any]:
    """Make Cartesia's entity of a name."""
    return {
        "id": voice.name,
        "name": voice.name,
        "description": "",
        "tagline": "",
        "language": "en",
        "locales": [],
        "created_at": NO_TIME,
        "is_owner": voice.stored == voice.name,
        "access": "public",
        "visibility": "all",
    }


@router.get("")
async def list_voices(
    gateway: TheGateway,
    _caller: Listing,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    starting_after: str | None = None,
    q: str | None = None,
) -> dict[str, Any]:
    """List all names of voices; the SDK asks for further pages until one is empty, whatever `has_more` says."""
    voices = sorted(await gateway.voice_names.all(), key=lambda voice: voice.name)
    wanted = [
        voice
        for voice in voices
        if (q or "").lower() in voice.name.lower() and (starting_after is None or voice.name > starting_after)
    ]
    return {"data": [describe(voice) for voice in wanted[:limit]], "has_more": len(wanted) > limit}


@router.get("/{name}")
async def show_voice(name: str, gateway: TheGateway, _caller: Listing) -> dict[str, Any]:
    """Describe a name of a voice."""
    for voice in await gateway.voice_names.all():
        if voice.name == name:
            return describe(voice)
    raise GatewayError(Reason.NOT_FOUND, f"voice: there is none of the name {name!r:.80}", field="voice")
