#!/usr/bin/env bash
# LiveKit leaves the WebSocket of an interrupted turn open until the next turn begins.
#
# One would guess that an interruption, which closes the agent's speech stream, closes its WebSocket too, or cancels the speech
# on it, so that a server that works for nobody notices it. LiveKit's pool of connections only puts the socket aside and closes it
# when the next turn asks for one. Until then the connection is open and silent, no cancel is sent (Cartesia's protocol has one), and
# the server speaks the rest of the text to nobody. A server has to bound what it sends ahead of playback; it cannot see
# that the listener has gone.
#
# livekit-agents, livekit-plugins-cartesia and livekit-plugins-fishaudio 1.8.9. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet livekit-agents==1.8.9 livekit-plugins-cartesia==1.8.9 livekit-plugins-fishaudio==1.8.9
cat > "$folder/see.py" <<'PYTHON'
import asyncio
import base64
import json
import sys

import aiohttp
import msgpack
from aiohttp import web
from livekit.agents import APIConnectOptions
from livekit.plugins import cartesia, fishaudio

WAIT_S = 3.0
HALF_A_SECOND = bytes(24_000)
told = []
closed = asyncio.Event()


async def speak(socket, make):
    while not socket.closed:
        await make(socket)
        await asyncio.sleep(0.5)


async def answer_cartesia(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    speaking = None
    async for message in socket:
        asked = json.loads(message.data)
        if asked.get("cancel"):
            told.append("cancel")
        sound = {"type": "chunk", "data": base64.b64encode(HALF_A_SECOND).decode(), "context_id": asked["context_id"]}
        speaking = speaking or asyncio.create_task(speak(socket, lambda socket: socket.send_json(sound)))
    speaking.cancel()
    closed.set()
    return socket


async def answer_fish(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    speaking = None
    async for message in socket:
        sound = msgpack.packb({"event": "audio", "audio": HALF_A_SECOND})
        speaking = speaking or asyncio.create_task(speak(socket, lambda socket: socket.send_bytes(sound)))
    speaking.cancel()
    closed.set()
    return socket


async def is_left_open(make):
    """Interrupt a turn; gives whether the socket is still open after a while, and after the next turn has begun."""
    closed.clear()
    app = web.Application()
    app.router.add_get("/tts/websocket", answer_cartesia)
    app.router.add_get("/v1/tts/live", answer_fish)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as http:
        tts = make(api_key="unused", base_url=f"http://127.0.0.1:{port}", http_session=http)

        async def begin():
            stream = tts.stream(conn_options=APIConnectOptions(max_retry=0))
            stream.push_text("Hello there.")
            stream.end_input()
            await anext(aiter(stream))
            return stream

        await (await begin()).aclose()
        await asyncio.sleep(WAIT_S)
        after_wait = not closed.is_set()
        second = await begin()
        after_next = not closed.is_set()
        await second.aclose()
        await tts.aclose()
    await runner.cleanup()
    return after_wait, after_next


async def main():
    seen = {}
    for name, make in (("cartesia", cartesia.TTS), ("fishaudio", lambda **given: fishaudio.TTS(output_format="pcm", **given))):
        seen[name] = await is_left_open(make)
        print(f"{name}: open {WAIT_S:g} s after the interruption: {seen[name][0]}; after the next turn began: {seen[name][1]}")
    print(f"cancels sent: {len(told)}")
    sys.exit(0 if all(each == (True, False) for each in seen.values()) and not told else 1)


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" "$folder/see.py"
