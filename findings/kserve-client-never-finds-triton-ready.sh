# KServe's Python client: is_server_ready() and is_server_live() fail on a Triton that is ready.
#
# One would guess that KServe's client, which infers on Triton without a fault and whose protocol v2 is Triton's, can ask it whether it is
# ready. Triton answers /v2/health/ready with status 200 and no body, as the protocol was first written; the client parses
# {"ready": true}, as it was written later, and raises JSONDecodeError. A script that waits for the server by this call waits for ever or
# ends, while is_model_ready() on the same server is true. (The text of an error of inference shows its status, not what the
# server says of it.) Ask for a model, or look at the status of the answer yourself.
#
# kserve 0.21.0, against a stand-in that answers as tritonserver 24.10 does (and was tried against that). Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q kserve==0.21.0
cat > "$folder/ready.py" << 'END'
import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from kserve import InferenceRESTClient, RESTConfig


class Triton(BaseHTTPRequestHandler):
    """Says as Triton does that all is well: status 200, nothing else."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


server = HTTPServer(("127.0.0.1", 0), Triton)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"


async def told(call):
    try:
        return str(await call)
    except Exception as error:
        return type(error).__name__


async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    live = await told(client.is_server_live(address))
    ready = await told(client.is_server_ready(address))
    model = await told(client.is_model_ready(address, "speech"))
    print(f"is_server_live: {live}; is_server_ready: {ready}; is_model_ready: {model}")
    raise SystemExit(0 if (live, ready, model) == ("JSONDecodeError", "JSONDecodeError", "True") else "it has changed")


asyncio.run(main())
END
"$folder/venv/bin/python" "$folder/ready.py"
