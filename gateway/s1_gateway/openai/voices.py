"""``/v1/audio/voices``: list, add, remove."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Form, UploadFile
from starlette.requests import Request

from s1_client import NewRecording
from s1_gateway.errors import GatewayError, Reason, invalid
from s1_gateway.hangup import unless_gone
from s1_gateway.metrics import Door
from s1_gateway.openai.errors import Envelope, render
from s1_gateway.routing import described, enveloped
from s1_gateway.state import ChangingVoices, Listing, TheGateway

router = APIRouter(
    prefix="/v1/audio", tags=["OpenAI"], route_class=enveloped(render, Door.OPENAI), responses=described(Envelope)
)


@router.get("/voices")
async def list_voices(gateway: TheGateway, _caller: Listing) -> dict[str, Any]:
    """List all names of voices, in the shape that Open WebUI takes."""
    voices = await gateway.voice_names.all()
    return {
        "object": "list",
        "voices": [
            {"id": voice.name, "name": voice.name, "object": "audio.voice", "is_stored": voice.stored == voice.name}
            for voice in voices
        ],
    }


@router.post("/voices")
async def add_voice(
    request: Request,
    gateway: TheGateway,
    _caller: ChangingVoices,
    name: Annotated[str, Form(min_length=1, max_length=255)],
    audio_sample: UploadFile,
    ref_text: Annotated[
        str, Form(description="what is said in the recording", json_schema_extra={"minLength": 1})
    ] = "",
    consent: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """Store a voice; one of the same name is not replaced."""
    if not ref_text.strip():
        raise invalid("ref_text", "got nothing; allowed: what is said in audio_sample, without which it cannot be used")
    if name in await gateway.client.voices.list():
        raise GatewayError(Reason.CONFLICT, f"name: there is a voice {name!r} already", field="name")
    created_s = int(time.time())
    metadata = {"created_at": created_s, "consent": consent} if consent else {"created_at": created_s}
    recording = NewRecording(await audio_sample.read(), ref_text)
    # encoding a recording takes the server a while, which it is spared if nobody waits
    await unless_gone(request, gateway.client.voices.add(name, [recording], metadata))
    gateway.voice_names.forget()
    return {"id": name, "object": "audio.voice", "name": name, "created_at": created_s, "type": "custom"}


@router.delete("/voices/{name}")
async def remove_voice(name: str, gateway: TheGateway, _caller: ChangingVoices) -> dict[str, Any]:
    """Remove a stored voice."""
    await gateway.client.voices.remove(name)
    gateway.voice_names.forget()
    return {"id": name, "object": "audio.voice.deleted", "deleted": True}
