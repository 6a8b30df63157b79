"""Cartesia's WebSocket as a client writes and reads it."""

import base64
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.gateway.running import RunningGateway

TEXT = "Hello there, this is what I have to say."
SECOND = "And this is the second thing."
LONG = "This sentence is said again and again, and then it is said once more. " * 6

Message = dict[str, Any]


def socket_of(gateway: RunningGateway) -> connect:
    return connect(f"{gateway.socket_url}/tts/websocket?cartesia_version=2025-04-16")


def output(encoding: str = "pcm_s16le", rate_hz: int = 24_000) -> Message:
    return {"container": "raw", "encoding": encoding, "sample_rate": rate_hz}


async def send(socket: ClientConnection, context_id: str, **fields: Any) -> None:
    voice = {"mode": "id", "id": None}
    message = {"model_id": "sonic-3", "voice": voice, "output_format": output(), "language": "en", **fields}
    await socket.send(json.dumps({"context_id": context_id, **message}))


async def receive(socket: ClientConnection) -> Message:
    text = await socket.recv()
    assert isinstance(text, str)
    assert len(text) <= 65_536
    message: Message = json.loads(text)
    assert message["type"] in ("chunk", "timestamps", "flush_done", "done", "error")
    assert "context_id" in message
    return message


async def listen(socket: ClientConnection, context_id: str) -> tuple[bytes, list[Message]]:
    """Take everything up to the end of a context: its sound, and what was said besides."""
    sound, told = b"", []
    while not (told and told[-1]["type"] in ("done", "error")):
        message = await receive(socket)
        assert message["context_id"] == context_id
        if message["type"] == "chunk":
            sound += base64.b64decode(message["data"])
            assert message["step_time"] >= 0  # without it LiveKit's Node plugin hears nothing
        else:
            told.append(message)
    return sound, told


async def say(socket: ClientConnection, context_id: str, transcript: str, **fields: Any) -> tuple[bytes, list[Message]]:
    await send(socket, context_id, transcript=transcript, **fields)
    return await listen(socket, context_id)
