"""A client of a real server outlives a dead connection, and says so where it cannot go on: after a fork."""

import asyncio
import subprocess
import sys

import pytest

from s1_client import AsyncS1Client, Delivery, Retry, S1ClientError, SpeechOptions, StallError
from s1_client import connection as connections
from s1_tts.serving.server import TritonServer
from tests.dying import FORKED, wire_to
from tests.triton.callers import num_open, until

OPTIONS = SpeechOptions(seed=3, max_frames=12)
LONG = "This sentence is said again and again. " * 40
LONG_OPTIONS = SpeechOptions(seed=3, max_frames=4000)
QUICK = {"grpc.keepalive_time_ms": 1_000, "grpc.keepalive_timeout_ms": 500, "grpc.http2.ping_timeout_ms": 500}
"""A tenth of what the client has, so that nobody waits for ten seconds."""


def url_of(server: TritonServer) -> str:
    return f"127.0.0.1:{server.ports.grpc}"


@pytest.mark.parametrize(("when", "in_child"), [("before", "8192 samples"), ("after", "fork told")])
def test_a_fork_is_noticed_and_never_hangs(server: TritonServer, when: str, in_child: str) -> None:
    """As in a web server that loads its application and then forks."""
    command = [sys.executable, "-c", FORKED, url_of(server), when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [in_child] * 3 + ["child 0", "8192 samples"]


async def test_after_a_stall_the_next_request_has_a_connection_of_its_own(server: TritonServer) -> None:
    async with (
        wire_to(url_of(server)) as (address, wire),
        AsyncS1Client(address, delivery=Delivery(stall_timeout_s=1.0)) as client,
    ):
        chunks = aiter(client.stream(LONG, LONG_OPTIONS))
        await anext(chunks)
        wire.go_dead()
        with pytest.raises(StallError):
            async for _ in chunks:
                pass
        assert len((await client.speak("Hello.", OPTIONS)).samples) == 12 * 2048
        assert wire.num_connections == 2
    assert await until(lambda: num_open(server) == 0), "the server learns of it when the connection ends"


async def test_a_connection_that_dies_while_an_answer_is_waited_for_is_found_out_and_made_anew(
    server: TritonServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [(name, QUICK.get(name, value)) for name, value in connections.CHANNEL_ARGUMENTS]
    monkeypatch.setattr(connections, "CHANNEL_ARGUMENTS", arguments)
    async with (
        wire_to(url_of(server)) as (address, wire),
        AsyncS1Client(address, retry=Retry(max_attempts=1)) as client,
    ):
        asking = asyncio.create_task(client.speak(LONG, LONG_OPTIONS))
        assert await until(lambda: num_open(server) == 1)
        wire.go_dead()
        async with asyncio.timeout(30):
            with pytest.raises(S1ClientError):
                await asking
        assert len((await client.speak("Hello.", OPTIONS)).samples) == 12 * 2048
    assert await until(lambda: num_open(server) == 0)
