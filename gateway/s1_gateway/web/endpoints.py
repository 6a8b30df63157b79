"""``/`` and the page's files under ``/page/``."""

from importlib import resources
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s1_gateway.state import TheGateway
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


router = APIRouter(include_in_schema=False)
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
