"""``WS /tts/websocket``, and the same over HTTP: ``POST /tts/bytes`` and ``POST /tts/sse``."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from s1_gateway.auth import Caller
from s1_gateway.bodies import json_body, read_json
from s1_gateway.cartesia.errors import Envelope, render
from s1_gateway.cartesia.events import as_events
from s1_gateway.cartesia.schemas import EventsRequest, SoundRequest
from s1_gateway.cartesia.session import CartesiaSession
from s1_gateway.hangup import unless_gone
from s1_gateway.http_sound import SoundResponse, whole_or_broken
from s1_gateway.metrics import Door
from s1_gateway.routing import described, enveloped
from s1_gateway.sockets import Socket, serve_socket
from s1_gateway.speech import BODY_BYTES, EVENT_BYTES, SpeechOrder
from s1_gateway.state import Gateway, gateway_of, speaker_of

router = APIRouter(
    prefix="/tts", tags=["Cartesia"], route_class=enveloped(render, Door.CARTESIA), responses=described(Envelope)
)

SOUND: Final = {"audio/*": {"schema": {"type": "string", "format": "binary"}}}
EVENTS: Final = {"text/event-stream": {"schema": {"type": "object", "properties": {"data": {"type": "string"}}}}}


@router.post(
    "/bytes",
    openapi_extra=json_body(SoundRequest),
    response_class=Response,
    responses={200: {"content": SOUND, "description": "the sound"}},
)
async def speak(request: Request) -> Response:
    """Say a text; the sound is sent while it is made."""
    gateway, caller = gateway_of(request), speaker_of(request)
    body = await read_json(request, SoundRequest)
    order = await _order(body, gateway, caller, BODY_BYTES)
    answer = await unless_gone(request, gateway.speech.begin(order))
    return SoundResponse(answer, whole_or_broken(answer), order.sound.media_type, gateway.settings.send_s)


@router.post(
    "/sse",
    openapi_extra=json_body(EventsRequest),
    response_class=Response,
    responses={200: {"content": EVENTS, "description": "the sound in events"}},
)
async def speak_in_events(request: Request) -> Response:
    """Say a text; the sound is sent in events while it is made."""
    gateway, caller = gateway_of(request), speaker_of(request)
    body = await read_json(request, EventsRequest)
    order = await _order(body, gateway, caller, EVENT_BYTES)
    answer = await unless_gone(request, gateway.speech.begin(order))
    return SoundResponse(answer, as_events(answer, body), "text/event-stream", gateway.settings.send_s)


@router.websocket("/websocket")
async def stream(websocket: WebSocket) -> None:
    """Speak Cartesia's protocol."""
    await serve_socket(websocket, Door.CARTESIA, render, _serve)


async def _order(
    body: SoundRequest | EventsRequest, gateway: Gateway, caller: Caller, max_piece_bytes: int
) -> SpeechOrder:
    return SpeechOrder(
        text=body.transcript,
        options=await gateway.voice_names.apply(body.voice_id, body.call_options()),
        sound=body.sound(),
        door=Door.CARTESIA,
        caller=caller,
        max_piece_bytes=max_piece_bytes,
    )


async def _serve(socket: Socket, gateway: Gateway, caller: Caller) -> None:
    await CartesiaSession(socket, gateway, caller).run()
