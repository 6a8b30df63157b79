#!/usr/bin/env bash
# LiveKit's Cartesia plugin takes an error in the middle of the speech for its regular end.
#
# One would guess that Cartesia's documented error event, `{"type": "error", "done": true, "status_code": 500, ...}`, makes the
# plugin raise, so that the agent retries or falls back. But the plugin looks at `done` before it looks at `type`: once the
# text is sent, an error with `done: true` ends the stream like the end of speech that was said whole. The caller hears half a
# sentence, and nothing is raised. The same event with `done: false` raises APIError. (Without any sound before it, LiveKit's base
# class notices that no frame came.) A server that speaks this protocol does better to say `done: false` in errors.
#
# livekit-agents and livekit-plugins-cartesia 1.8.9. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet livekit-agents==1.8.9 livekit-plugins-cartesia==1.8.9
cat > "$folder/see.py" <<'PYTHON'
import asyncio
import base64
import json
import sys

import aiohttp
from aiohttp import web
from livekit.agents import APIConnectOptions, APIError
from livekit.plugins import cartesia


def server(done):
    async def answer(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            if not asked["continue"]:
                error = {
                    "type": "error", "done": done, "status_code": 500, "error_code": "internal",
                    "title": "Failed", "message": "Speech failed", "context_id": asked["context_id"],
                }
                half_a_second = base64.b64encode(bytes(24_000)).decode()
                sound = {"type": "chunk", "done": False, "data": half_a_second, "context_id": asked["context_id"]}
                await socket.send_str(json.dumps(sound))
                await asyncio.sleep(0.5)
                await socket.send_str(json.dumps(error))
        return socket

    app = web.Application()
    app.router.add_get("/tts/websocket", answer)
    return web.AppRunner(app)


async def outcome(done):
    runner = server(done)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as http:
        tts = cartesia.TTS(api_key="unused", base_url=f"http://127.0.0.1:{port}", http_session=http)
        stream = tts.stream(conn_options=APIConnectOptions(max_retry=0))
        stream.push_text("Hello there.")
        stream.end_input()
        try:
            seconds = sum([event.frame.duration async for event in stream])
            seen = f"{seconds:.1f} s of sound, no exception"
        except APIError as error:
            seen = f"{type(error).__name__}"
        await stream.aclose()
        await tts.aclose()
    await runner.cleanup()
    return seen


async def main():
    documented, other = await outcome(True), await outcome(False)
    print(f"error with done true, as documented: {documented}")
    print(f"error with done false:               {other}")
    sys.exit(0 if documented.endswith("no exception") and other.endswith("Error") else 1)


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" "$folder/see.py"
