"""Streams that nobody reads, and callers that stand still, are ended; those that read notice nothing."""

import asyncio
import signal
import subprocess
import sys
import time

import psutil
import pytest
import tritonclient.grpc.aio as grpcclient

from s1_tts.serving.server import TritonServer
from tests.triton.callers import answer, collect, until

LONG_OPEN_S = 10.0  # well over age and grace
READER = """
import sys
import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

request = service_pb2.ModelInferRequest(model_name="s1_mini_stream")
text = request.inputs.add(name="text", datatype="BYTES", shape=[1, 1])
text.contents.bytes_contents.append(b"This sentence is said again and again. " * 40)
channel = grpc.insecure_channel(sys.argv[1])
call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(iter([request]))
print("open", flush=True)
sys.stdin.readline()  # and never reads the stream
"""


@pytest.fixture
def reader(mortal):
    command = [sys.executable, "-c", READER, f"127.0.0.1:{mortal.ports.grpc}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def peers(server: TritonServer) -> set[int]:
    """Ports of the callers that are connected over gRPC."""
    connections = psutil.Process(server.process_id).net_connections("tcp")
    return {
        connection.raddr.port
        for connection in connections
        if connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == server.ports.grpc
    }


async def test_a_stream_that_nobody_reads_is_ended(mortal, reader):
    assert await until(lambda: len(peers(mortal)) > 0)
    assert await until(lambda: not peers(mortal))
    assert reader.poll() is None  # it did not leave by itself


async def test_a_caller_that_stands_still_is_ended(mortal, reader):
    """Its machine would acknowledge what comes; the program answers no ping."""
    assert await until(lambda: len(peers(mortal)) > 0)
    reader.send_signal(signal.SIGSTOP)
    assert await until(lambda: not peers(mortal))
    reader.send_signal(signal.SIGCONT)


async def test_callers_that_read_notice_nothing(mortal):
    """Over several connections, one after the other, which the client opens by itself."""
    seen = set()
    url = f"127.0.0.1:{mortal.ports.grpc}"
    async with grpcclient.InferenceServerClient(url) as client:
        began_s = time.monotonic()
        while time.monotonic() - began_s < LONG_OPEN_S:
            chunks, result = await asyncio.gather(
                collect(client, text="Hello.", seed=1, max_frames=4),
                answer(client, text="Hello.", seed=1, max_frames=4),
            )
            assert chunks[-1].is_last
            assert result.as_numpy("audio").size == sum(chunk.samples.size for chunk in chunks)
            seen |= peers(mortal)
    assert len(seen) > 1
