"""A server listens where it was asked to, in the old and the new family of addresses."""

import asyncio
import socket
from pathlib import Path

import pytest

from s1_client import AsyncS1Client, SpeechOptions
from s1_tts.serving.ports import Ports
from s1_tts.serving.server import ServerOptions
from tests.triton.callers import request_http
from tests.triton.conftest import EXACT, MODEL_REPOSITORY, started


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "::"])
def test_a_server_on_ipv6_speaks_on_each_of_its_ports(checkpoint: Path, tmp_path: Path, host: str) -> None:
    ports = Ports(http=0, grpc=0, metrics=0, sagemaker=0)
    options = ServerOptions(checkpoint, MODEL_REPOSITORY, host=host, ports=ports, device="cpu", settings=EXACT)
    with started(options, tmp_path / "log.txt") as server:

        async def say() -> int:
            async with AsyncS1Client(f"[::1]:{server.ports.grpc}") as client:
                return len((await client.speak("Hello.", SpeechOptions(seed=1, max_frames=4))).samples)

        assert asyncio.run(say()) == 4 * 2048
        for port, path in ((server.ports.http, "/v2/health/ready"), (server.ports.metrics, "/metrics")):
            assert request_http(port, "GET", path, host="::1").status == 200
        assert server.ports.sagemaker is not None
        assert request_http(server.ports.sagemaker, "GET", "/ping").status == 200, "SageMaker's port knows IPv4 only"
