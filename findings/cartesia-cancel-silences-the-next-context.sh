#!/usr/bin/env bash
# cartesia (Python, blocking client): after context.cancel() the next context says what was cancelled, and is silent itself.
#
# One would guess that receive(), "filtered to this context only", gives the context's own events. cancel() forgets the context's
# queue, and what is under way of it comes to whoever reads next: events of an unknown context are handed out "for
# backwards compatibility". So the next context's receive() first yields the rest of the cancelled sound, and then ends at the
# cancelled context's `done`, before anything of its own. An interrupted bot plays the old sentence on and swallows its answer; nothing
# is raised. Compare event.context_id and read on by hand, or take AsyncCartesia, whose reader drops what nobody waits for.
#
# cartesia 4.2.0, websockets 15.0.1. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q cartesia==4.2.0 websockets==15.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import base64
import json
import sys
import threading

from cartesia import AsyncCartesia, Cartesia
from websockets.sync.server import ServerConnection, serve

FORMAT = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000}
OPTIONS = {"model_id": "sonic-3", "voice": "a-voice", "output_format": FORMAT}


def speak(socket: ServerConnection) -> None:
    """Two chunks for a text, one more that was under way when it is cancelled, and a done."""

    def send(context_id: str, **fields: object) -> None:
        socket.send(json.dumps({"context_id": context_id, "status_code": 200, **fields}))

    def chunk(context_id: str) -> None:
        data = base64.b64encode(context_id.encode()).decode()
        send(context_id, type="chunk", data=data, done=False, step_time=1.0)

    for message in socket:
        told = json.loads(message)
        context_id = told["context_id"]
        if told.get("transcript"):
            chunk(context_id)
            chunk(context_id)
        if told.get("cancel"):
            chunk(context_id)
        if told.get("cancel") or told.get("continue") is False:
            send(context_id, type="done", done=True)


def blocking(addresses: dict[str, str]) -> list[str]:
    with Cartesia(api_key="unused", **addresses) as client, client.tts.websocket_connect() as connection:
        first = connection.context(**OPTIONS)
        first.push("A long answer.")
        next(first.receive())
        first.cancel()
        second = connection.context(**OPTIONS)
        second.push("Another one.")
        second.no_more_inputs()
        names = {first._context_id: "first", second._context_id: "second"}
        return [f"{event.type} of the {names[event.context_id]}" for event in second.receive()]


async def asynchronous(addresses: dict[str, str]) -> list[str]:
    async with AsyncCartesia(api_key="unused", **addresses) as client, client.tts.websocket_connect() as connection:
        first = connection.context(**OPTIONS)
        await first.push("A long answer.")
        await anext(first.receive())
        await first.cancel()
        second = connection.context(**OPTIONS)
        await second.push("Another one.")
        await second.no_more_inputs()
        names = {first._context_id: "first", second._context_id: "second"}
        return [f"{event.type} of the {names[event.context_id]}" async for event in second.receive()]


with serve(speak, "127.0.0.1", 0) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.socket.getsockname()[1]
    addresses = {"base_url": f"http://127.0.0.1:{port}", "websocket_base_url": f"ws://127.0.0.1:{port}"}
    came, wanted = blocking(addresses), asyncio.run(asynchronous(addresses))
    server.shutdown()
print("the second context's receive(), blocking client:", came)
print("the same of the asynchronous client:            ", wanted)
holds = (
    came == ["chunk of the first", "chunk of the first", "done of the first"]
    and wanted == ["chunk of the second", "chunk of the second", "done of the second"]
)
sys.exit(0 if holds else "the behaviour has changed")
PYTHON
