#!/usr/bin/env bash
# tritonclient.http.aio: conn_timeout, "the timeout value for the connection", is the time that a whole answer may take.
#
# One would guess that conn_timeout, 60 s by default, bounds connecting, as connection_timeout of the blocking client does, beside whose
# network_timeout it stands in no place. It becomes aiohttp's total: an answer that takes longer, its last byte included, ends
# in a bare asyncio.TimeoutError, not in InferenceServerException, although sound is coming in all the time. A long text in one
# answer, a queue, a cold model, and 60 s are over. Triton does not see that anybody left, and goes on. Give
# conn_timeout the longest time that an answer may take.
#
# tritonclient 2.73.0, aiohttp 3.14.5. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tritonclient[http]==2.73.0" aiohttp==3.14.5 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import tritonclient.http as blocking
import tritonclient.http.aio as asynchronous

PIECES, PAUSE_S, TIMEOUT_S = 12, 0.25, 1.0  # an answer of 3 s that never pauses for long


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        outputs = b'{"outputs": [{"name": "audio", "datatype": "INT16", "shape": [12], "data": [1'
        pieces = [outputs, *[b", 1"] * (PIECES - 1), b"]}]}"]
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(b"".join(pieces))))
        self.end_headers()
        for piece in pieces:
            try:
                self.wfile.write(piece)
            except OSError:
                return  # the caller has gone
            time.sleep(PAUSE_S)

    def log_message(self, *_: object) -> None: ...


def text(package: object) -> object:
    tensor = package.InferInput("text", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"Hello"]], dtype=object))
    return tensor


def by_blocking(address: str) -> str:
    with blocking.InferenceServerClient(address, connection_timeout=TIMEOUT_S) as client:
        return f"{len(client.infer('s', [text(blocking)]).as_numpy('audio'))} samples"


async def by_aio(address: str, **options: float) -> str:
    async with asynchronous.InferenceServerClient(address, **options) as client:
        try:
            return f"{len((await client.infer('s', [text(asynchronous)])).as_numpy('audio'))} samples"
        except Exception as error:
            return type(error).__name__


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"127.0.0.1:{server.server_port}"
usual = by_blocking(address)
short, plain = asyncio.run(by_aio(address, conn_timeout=TIMEOUT_S)), asyncio.run(by_aio(address))
print(f"an answer that takes {PIECES * PAUSE_S:g} s, sent bit by bit")
print(f"blocking client, connection_timeout={TIMEOUT_S:g}: {usual}")
print(f"aio client, conn_timeout={TIMEOUT_S:g}: {short}")
print(f"aio client, conn_timeout=60 (default): {plain}")
sys.exit(0 if (usual, short, plain) == ("12 samples", "TimeoutError", "12 samples") else "the behaviour has changed")
PYTHON
