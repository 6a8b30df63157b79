"""``POST /v1/audio/speech``."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from s1_client import ServiceClass
from s1_gateway.bodies import json_body, read_json
from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.hangup import unless_gone
from s1_gateway.http_sound import SoundResponse, whole_or_broken
from s1_gateway.metrics import Door
from s1_gateway.openai.errors import Envelope, render_speech
from s1_gateway.openai.events import as_events
from s1_gateway.openai.models import check_model
from s1_gateway.openai.schemas import SpeechBody
from s1_gateway.routing import described, enveloped
from s1_gateway.speech import BODY_BYTES, EVENT_BYTES, SpeechOrder
from s1_gateway.state import gateway_of, speaker_of

router = APIRouter(
    prefix="/v1", tags=["OpenAI"], route_class=enveloped(render_speech, Door.OPENAI), responses=described(Envelope)
)

FORMATS: Final = {
    "mp3": AudioFormat.MP3,
    "opus": AudioFormat.OPUS,
    "aac": AudioFormat.AAC,
    "flac": AudioFormat.FLAC,
    "wav": AudioFormat.WAV,
    "pcm": AudioFormat.PCM_S16LE,
}
SOUND: Final = {
    "audio/*": {"schema": {"type": "string", "format": "binary"}},
    "text/event-stream": {"schema": {"type": "object", "properties": {"data": {"type": "string"}}}},
}
_LONGEST_DEADLINE_S: Final = 600.0
"""What the SDK says when nobody chose a timeout; it means no hurry."""


@router.post(
    "/audio/speech",
    openapi_extra=json_body(SpeechBody),
    response_class=Response,
    responses={200: {"content": SOUND, "description": "the sound"}},
)
async def speak(request: Request) -> Response:
    """Say a text; the sound is sent while it is made."""
    gateway, caller = gateway_of(request), speaker_of(request)
    body = await read_json(request, SpeechBody)
    check_model(body.model, gateway.settings)
    gateway.metrics.count_retry(Door.OPENAI, request.headers.get("x-stainless-retry-count", "0"))
    # a caller who reads while it is spoken waits at the other end; a file may take its time
    is_live = request.headers.get("x-stainless-raw-response") == "stream"
    options = body.options(ServiceClass.CALL if is_live else ServiceClass.NOTE, _deadline_ms(request))
    order = SpeechOrder(
        text=body.input,
        options=await gateway.voice_names.apply(body.voice, options),
        sound=SoundSpec(
            FORMATS[body.response_format or "mp3"], sample_rate_hz=body.sample_rate, speed=body.speed or 1.0
        ),
        door=Door.OPENAI,
        caller=caller,
        max_piece_bytes=EVENT_BYTES if body.stream_format == "sse" else BODY_BYTES,
    )
    answer = await unless_gone(request, gateway.speech.begin(order))
    if body.stream_format == "sse":
        pieces, media_type = as_events(answer, len(body.input)), "text/event-stream"
    else:
        pieces, media_type = whole_or_broken(answer), order.sound.media_type
    return SoundResponse(answer, pieces, media_type, gateway.settings.send_s)


def _deadline_ms(request: Request) -> int | None:
    """How long the SDK will wait for a first byte, as it says itself."""
    told = request.headers.get("x-stainless-read-timeout", "")
    try:
        timeout_s = float(told)
    except ValueError:
        return None
    return round(1000 * timeout_s) if 0.001 <= timeout_s < _LONGEST_DEADLINE_S else None
