# LiteLLM: aspeech(), and /v1/audio/speech of its proxy, hand out the first byte of speech when the last one is there.
#
# One would guess that a call whose result has aiter_bytes(), and a proxy whose answer is sent in chunks, pass a streaming server's
# sound on as it comes, as OpenAI's SDK does underneath and as LiteLLM does with text. It asks that SDK for the whole body first: the
# listener waits for all of it, however soon the first sound was there, and there is no argument for it. stream_format="sse" is
# taken and forgotten by the proxy: the answer is the bare sound. Point a client that must be quick at the speech server itself.
#
# litellm 1.110.2 (its proxy was seen to do the same), openai 3.57.0. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q litellm==1.110.2 openai==3.57.0
export LITELLM_LOCAL_MODEL_COST_MAP=True # it would load a list of prices from elsewhere
cat > "$folder/hold.py" << 'END'
import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm
import openai

NUM_PIECES = 4
PIECE = bytes(1024)
permits = []  # of each request: a piece is sent for each


class Speech(BaseHTTPRequestHandler):
    """Sends a piece of sound, and the next when it may."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        permit = threading.Semaphore(0)
        permits.append(permit)
        self.send_response(200)
        self.send_header("content-type", "audio/mpeg")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for _ in range(NUM_PIECES):
            self.wfile.write(b"400\r\n" + PIECE + b"\r\n")
            self.wfile.flush()
            permit.acquire()
        self.wfile.write(b"0\r\n\r\n")


server = ThreadingHTTPServer(("127.0.0.1", 0), Speech)
server.handle_error = lambda *arguments: None  # a caller leaves
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/v1"
ORDER = {"voice": "alloy", "input": "Hello."}


async def with_openai():
    client = openai.AsyncOpenAI(base_url=address, api_key="unused")
    async with client.audio.speech.with_streaming_response.create(model="tts-1", **ORDER) as answer:
        async for _ in answer.iter_bytes(1024):
            return


async def with_litellm():
    answer = await litellm.aspeech(model="openai/tts-1", api_base=address, api_key="unused", **ORDER)
    async for _ in await answer.aiter_bytes(1024):
        return


async def pieces_sent_before_the_first_is_there(call):
    permits.clear()
    calling = asyncio.create_task(call())
    while not permits and not calling.done():
        await asyncio.sleep(0.01)
    for number in range(1, NUM_PIECES + 1):
        done, _ = await asyncio.wait([calling], timeout=2)
        if done:
            await calling
            permits[0].release(NUM_PIECES)
            return number
        permits[0].release()
    await asyncio.wait_for(calling, 20)
    return "all, and the end"


async def main():
    direct = await pieces_sent_before_the_first_is_there(with_openai)
    held = await pieces_sent_before_the_first_is_there(with_litellm)
    print(f"pieces of {NUM_PIECES} that are sent before the caller has the first: openai {direct}; litellm {held}")
    raise SystemExit(0 if (direct, held) == (1, "all, and the end") else "it has changed")


asyncio.run(main())
END
"$folder/venv/bin/python" "$folder/hold.py"
