"""``POST /v1/tts`` and ``/v1/health``."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from s1_client import ServiceClass
from s1_gateway.bodies import json_body
from s1_gateway.fish.errors import Envelope, render_speech
from s1_gateway.fish.packing import read_body
from s1_gateway.fish.schemas import TtsRequest
from s1_gateway.hangup import unless_gone
from s1_gateway.http_sound import SoundResponse, whole_or_broken
from s1_gateway.metrics import Door
from s1_gateway.routing import described, enveloped
from s1_gateway.speech import BODY_BYTES, SpeechOrder
from s1_gateway.state import gateway_of, speaker_of

router = APIRouter(
    prefix="/v1", tags=["Fish"], route_class=enveloped(render_speech, Door.FISH), responses=described(Envelope)
)

SOUND: Final = {"audio/*": {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    "/tts",
    openapi_extra=json_body(TtsRequest),
    response_class=Response,
    responses={200: {"content": SOUND, "description": "the sound"}},
)
async def speak(request: Request) -> Response:
    """Say a text; the body is JSON or msgpack, the sound is sent while it is made."""
    gateway, caller = gateway_of(request), speaker_of(request)
    content = read_body(await request.body(), request.headers.get("content-type", ""))
    body = TtsRequest.model_validate(content)
    # who asks for `normal` prefers the best sound to the first one
    options = body.options_of(ServiceClass.NOTE if body.latency == "normal" else ServiceClass.CALL)
    if not body.references:
        options = await gateway.voice_names.apply(body.reference_id or None, options)
    order = SpeechOrder(
        text=body.text,
        options=options,
        sound=body.sound(),
        door=Door.FISH,
        caller=caller,
        max_piece_bytes=BODY_BYTES,
    )
    answer = await unless_gone(request, gateway.speech.begin(order))
    return SoundResponse(answer, whole_or_broken(answer), order.sound.media_type, gateway.settings.send_s)


@router.get("/health")
@router.post("/health", include_in_schema=False)
async def answer_health() -> dict[str, Any]:
    """Answer what asks fish-speech's own server whether it is there."""
    return {"status": "ok"}
