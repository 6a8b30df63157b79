"""``/`` and the page's files under ``/page/``."""

from importlib import resources
from typing import Any, Final

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.errors import invalid
from s1_gateway.metrics import Door
from s1_gateway.openai.errors import render
from s1_gateway.routing import enveloped
from s1_gateway.state import TheGateway, gateway_of, speaker_of
from s1_protocol.limits import MAX_RECORDING_S, MAX_TRANSCRIPT_CHARACTERS, MIN_RECORDING_S

_FILES: Final = resources.files("s1_gateway.web") / "static"

PAGE_HEADERS: Final = {
    # nothing from elsewhere, nothing inline; a recording is listened to before it is sent (blob:)
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # asked for anew after an update, and answered with 304 otherwise
    "cache-control": "no-cache",
}


class PageFiles:
    """Serves the files, each with the page's headers.

    Args:
        app: What serves them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in PAGE_HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


router = APIRouter(include_in_schema=False, route_class=enveloped(render, Door.WEB))
router.routes.append(Mount("/page", PageFiles(StaticFiles(packages=[("s1_gateway.web", "static")]))))


@router.get("/")
async def show_page() -> Response:
    """Send the page."""
    text = (_FILES / "index.html").read_text(encoding="utf-8")
    return Response(text, media_type="text/html", headers=PAGE_HEADERS)


@router.get("/page.json")
async def show_facts(gateway: TheGateway) -> dict[str, Any]:
    """Tell the page what is allowed here."""
    return {
        "needs_token": gateway.settings.has_tokens,
        "keeps_jobs": gateway.jobs is not None,
        "max_text_characters": gateway.settings.max_text_characters,
        "max_transcript_characters": MAX_TRANSCRIPT_CHARACTERS,
        "max_recording_bytes": gateway.settings.max_body_bytes,
        "min_recording_s": MIN_RECORDING_S,
        "max_recording_s": MAX_RECORDING_S,
    }


@router.post("/page.mp3")
async def make_mp3(request: Request) -> Response:
    """Make an MP3 of what was heard, so that it is the same; the body is mono 16-bit samples at the engine's rate."""
    gateway, caller = gateway_of(request), speaker_of(request)
    body = await request.body()
    if not body or len(body) % 2:
        raise invalid(None, f"got {len(body)} bytes; allowed: 16-bit samples, at least one")
    sound = SoundSpec(AudioFormat.MP3)
    with await gateway.limits.admit(caller):
        made = await gateway.speech.encode(np.frombuffer(body, "<i2"), sound)
    return Response(made, media_type=sound.media_type)
