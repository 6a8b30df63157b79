"""What the server holds for callers who do not read has a bound: others are refused, then the server is given up."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tritonclient.grpc.aio as grpcclient
from grpc.aio import AioRpcError
from tritonclient.utils import InferenceServerException

from s1_tts.serving.server import EXIT_MODEL_LOST
from tests.triton.callers import collect, request_http, until
from tests.triton.conftest import copied_repository
from tests.triton.script import Remains, Script, serving

UNREAD_MB = 40
NUM_STREAMS = 16
FRAMES = 1000
"""4 MB of samples, and far more as base64 or JSON, in each of the streams: more than the limit and all buffers."""

OVER_GRPC = f"""
import sys
import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

request = service_pb2.ModelInferRequest(model_name="s1_mini_stream")
text = request.inputs.add(name="text", datatype="BYTES", shape=[1, 1])
text.contents.bytes_contents.append(b"This sentence is said again and again. " * 40)
frames = request.inputs.add(name="max_frames", datatype="INT32", shape=[1, 1])
frames.contents.int_contents.append({FRAMES})
request.parameters["audio_base64"].bool_param = True
stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(sys.argv[1]))
calls = [stub.ModelStreamInfer(iter([request])) for _ in range({NUM_STREAMS})]
print("open", flush=True)
sys.stdin.readline()
"""
OVER_HTTP = f"""
import json, socket, sys

body = json.dumps({{"text": "This sentence is said again and again. " * 40, "max_frames": {FRAMES}}}).encode()
path = "/v2/models/s1_mini_stream/generate_stream"
head = f"POST {{path}} HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {{len(body)}}\\r\\n\\r\\n"
sockets = [socket.socket() for _ in range({NUM_STREAMS})]
for each in sockets:
    each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    each.connect(("127.0.0.1", int(sys.argv[1])))
    each.sendall(head.encode() + body)
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model repository that gives up soon."""
    monkeypatch.setenv("S1_UNREAD_MB", str(UNREAD_MB))
    return copied_repository(tmp_path / "models", s1_llama="impatient_s1_llama.py")


async def test_what_nobody_reads_over_http_is_bounded_in_all(checkpoint: Path, impatient: Path) -> None:
    with serving(checkpoint, "--model-repository", str(impatient)) as script:
        await say_hello(script)
        with not_reading(OVER_HTTP, str(script.port("http"))) as reader:
            await wait_for_refusal(script)
            assert await asyncio.to_thread(script.process.wait, 60) == EXIT_MODEL_LOST
            assert reader.poll() is None  # who did not read never left by itself


async def test_what_nobody_reads_over_grpc_is_bounded_in_all_and_the_server_comes_again(
    checkpoint: Path, impatient: Path
) -> None:
    """On its ports, as it was asked to; after its launcher, killed in the end, nothing is left."""
    with serving(checkpoint, "--model-repository", str(impatient), "--restart") as script:
        await say_hello(script)
        with not_reading(OVER_GRPC, script.grpc_url) as reader:
            await wait_for_refusal(script)
            assert script.process.stdout is not None
            assert await asyncio.to_thread(script.process.stdout.readline) == script.ready_line
            assert reader.poll() is None
        await say_hello(script)
        remains = Remains.of(script)
        os.kill(script.process.pid, signal.SIGKILL)
        remains.assert_gone()


async def say_hello(script: Script) -> None:
    """A caller who reads has all of its sound."""
    async with grpcclient.InferenceServerClient(script.grpc_url) as client:
        assert (await collect(client, text="Hello.", seed=1, max_frames=6))[-1].is_last


async def wait_for_refusal(script: Script) -> None:
    """Once too much is unread, new callers are refused."""
    assert await until(lambda: unread_mb(script.port("metrics")) > UNREAD_MB, timeout_s=120)
    async with grpcclient.InferenceServerClient(script.grpc_url) as client:
        with pytest.raises((InferenceServerException, AioRpcError)) as refused:
            await collect(client, text="Hello.", seed=1, max_frames=6)
    assert f"of at most {UNREAD_MB} MB" in str(refused.value)


@contextlib.contextmanager
def not_reading(reader: str, address: str) -> Iterator[subprocess.Popen[str]]:
    """A program that asks for much and reads nothing."""
    command = [sys.executable, "-c", reader, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def unread_mb(port: int) -> float:
    page = request_http(port, "GET", "/metrics").body.decode()
    return float(re.search(r"^s1_unread_bytes (\S+)$", page, re.MULTILINE)[1]) / 1e6
