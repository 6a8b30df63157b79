"""The gateway's doors, each as a caller who says one text and takes all of its sound."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import msgpack
from perf.siege.place import TOKENS, Place
from perf.siege.tally import ToldError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

RATE_HZ = 24_000
JOB_POLL_S = 0.2
CARTESIA_FORMAT = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": RATE_HZ}


@dataclass(frozen=True)
class Ask:
    """What is asked for at a door.

    Args:
        text: What to say.
        seed: Makes it the same each time.
        max_frames: Its length.
        token: Who asks.
        voice: A stored voice; none: the model's own.
    """

    text: str
    seed: int = 7
    max_frames: int = 16
    token: str = "anna"
    voice: str = "default"

    @property
    def options(self) -> dict[str, Any]:
        """What all doors take."""
        return {"seed": self.seed, "max_frames": self.max_frames}

    @property
    def headers(self) -> dict[str, str]:
        """What shows who asks."""
        return headers_of(self.token)


Door = Callable[[Place, Ask], Awaitable[bytes]]


def headers_of(token: str = "anna") -> dict[str, str]:
    """What shows who asks."""
    return {"authorization": f"Bearer {TOKENS[token]}"}


def http_of(place: Place, token: str = "anna") -> httpx2.AsyncClient:
    """A client of the gateway, to be closed by the caller."""
    return httpx2.AsyncClient(base_url=f"http://{place.gateway_address}", headers=headers_of(token), timeout=None)


def socket_of(place: Place, path: str, token: str = "anna") -> connect:
    """A WebSocket of the gateway."""
    return connect(f"ws://{place.gateway_address}{path}", additional_headers=headers_of(token), open_timeout=None)


async def post(place: Place, path: str, body: Mapping[str, Any], token: str) -> bytes:
    """Post JSON and take all of the answer.

    Raises:
        ToldError: the answer is an error, or breaks off.
    """
    try:
        async with http_of(place, token) as client:
            answer = await client.post(path, json=dict(body))
    except httpx2.HTTPError as error:
        raise ToldError(repr(error)) from error
    if answer.status_code != 200:
        raise ToldError(f"{answer.status_code} {answer.text}")
    return answer.content


async def openai(place: Place, ask: Ask) -> bytes:
    """``POST /v1/audio/speech``."""
    body = {"model": "m", "voice": ask.voice, "input": ask.text, "response_format": "wav", **ask.options}
    return await post(place, "/v1/audio/speech", body, ask.token)


async def fish(place: Place, ask: Ask) -> bytes:
    """``POST /v1/tts``."""
    named = {} if ask.voice == "default" else {"reference_id": ask.voice}
    return await post(place, "/v1/tts", {"text": ask.text, "format": "wav", **named, **ask.options}, ask.token)


async def live(place: Place, ask: Ask) -> bytes:
    """Our own WebSocket."""
    async with _telling(), socket_of(place, "/v1/audio/stream", ask.token) as socket:
        await socket.send(json.dumps({"text": ask.text, "voice": ask.voice, **ask.options}))
        sound = b""
        while isinstance(message := await socket.recv(), bytes):
            sound += message
        return _unless_error(sound, json.loads(message), "done" in json.loads(message))


async def fish_live(place: Place, ask: Ask) -> bytes:
    """Fish Audio's WebSocket, without the silence that it sends, as messages of its own, while sound is waited for."""
    request = {"text": "", "format": "pcm", "sample_rate": RATE_HZ, **ask.options}
    events: list[dict[str, Any]] = [{"event": "start", "request": request}, {"event": "text", "text": ask.text}]
    async with _telling(), socket_of(place, "/v1/tts/live", ask.token) as socket:
        for event in (*events, {"event": "stop"}):
            await socket.send(msgpack.packb(event))
        sound = b""
        async for told in _fish_events(socket):
            sound += told["audio"] if any(told.get("audio", b"")) else b""
            if told["event"] == "finish":
                return _unless_error(sound, told, told["reason"] == "stop")
    raise ToldError("closed without finish")


async def cartesia(place: Place, ask: Ask) -> bytes:
    """Cartesia's WebSocket."""
    message = {"context_id": "c", "transcript": ask.text, "output_format": CARTESIA_FORMAT, **ask.options}
    async with _telling(), socket_of(place, "/tts/websocket", ask.token) as socket:
        await socket.send(json.dumps(message))
        sound = b""
        while (told := json.loads(await socket.recv()))["type"] == "chunk":
            sound += base64.b64decode(told["data"])
        return _unless_error(sound, told, told["type"] == "done")


async def job(place: Place, ask: Ask) -> bytes:
    """A job: made, waited for, fetched."""
    return await job_sound(place, await submit_job(place, ask), ask.token)


async def submit_job(place: Place, ask: Ask) -> str:
    """Make a job; gives its id.

    Raises:
        ToldError: it was not taken.
    """
    body = {"text": ask.text, "response_format": "wav", **ask.options}
    try:
        async with http_of(place, ask.token) as client:
            answer = await client.post("/v1/audio/speech/async", json=body)
    except httpx2.HTTPError as error:
        raise ToldError(repr(error)) from error
    if answer.status_code != 202:
        raise ToldError(f"{answer.status_code} {answer.text}")
    return str(answer.json()["job_id"])


async def job_sound(place: Place, job_id: str, token: str = "anna") -> bytes:
    """Wait for a job that was taken, whatever dies meanwhile; gives its sound.

    Raises:
        ToldError: it failed.
    """
    async with http_of(place, token) as client:
        while True:
            shown = await _get(client, f"/v1/jobs/{job_id}")
            if shown is not None and shown.status_code == 404:
                raise LookupError(f"job {job_id} was taken and is not known any more")
            state = shown.json().get("status") if shown is not None else None
            if shown is not None and state in ("failed", "cancelled"):
                raise ToldError(shown.text)
            if state == "completed":
                content = await _get(client, f"/v1/jobs/{job_id}/content")
                if content is not None and content.status_code == 200:
                    return content.content
            await asyncio.sleep(JOB_POLL_S)


async def _get(client: httpx2.AsyncClient, path: str) -> httpx2.Response | None:
    """An answer; none while the gateway is away."""
    try:
        return await client.get(path)
    except httpx2.HTTPError:
        return None


async def _fish_events(socket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    async for message in socket:
        yield msgpack.unpackb(message)


def _unless_error(sound: bytes, told: Mapping[str, Any], is_done: bool) -> bytes:
    if not is_done:
        raise ToldError(str(told))
    return sound


class _telling:  # noqa: N801 - it reads as a word
    """Turns what a WebSocket raises into what its caller was told."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InvalidStatus | WebSocketException | OSError) and not isinstance(error, TimeoutError):
            raise ToldError(repr(error)) from error


DOORS: Mapping[str, Door] = {
    "openai": openai,
    "fish": fish,
    "live": live,
    "fish_live": fish_live,
    "cartesia": cartesia,
    "job": job,
}
