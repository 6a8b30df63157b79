"""Fish Audio's WebSocket as a client writes and reads it."""

from typing import Any

import msgpack
from websockets.asyncio.client import ClientConnection, connect

from tests.gateway.running import RunningGateway

FIRST = "Hello there, this is the first thing that I have to say."
SECOND = "And this is the second one."
LONG = "This sentence is said again and again, and then it is said once more. " * 6

Event = dict[str, Any]


async def send(socket: ClientConnection, event: str, **fields: Any) -> None:
    await socket.send(msgpack.packb({"event": event, **fields}))


async def start(socket: ClientConnection, **request: Any) -> None:
    await send(socket, "start", request={"text": "", "format": "pcm", "sample_rate": 24_000, **request})


async def listen(socket: ClientConnection) -> tuple[bytes, Event]:
    """Take everything up to ``finish``."""
    sound = b""
    while True:
        message = await socket.recv()
        assert isinstance(message, bytes)
        assert len(message) <= 65_536
        event = msgpack.unpackb(message)
        if event["event"] == "finish":
            assert event["reason"] in ("stop", "error")
            return sound, event
        assert event.keys() == {"event", "audio"}
        sound += event["audio"]


def live(gateway: RunningGateway) -> connect:
    return connect(f"{gateway.socket_url}/v1/tts/live", additional_headers={"model": "s1"})
