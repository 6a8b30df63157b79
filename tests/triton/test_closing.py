"""Callers who close as our client does leave no socket behind in the server."""

import asyncio

import psutil
import pytest

from s1_client.client import AsyncS1Client
from s1_client.options import SpeechOptions
from s1_tts.serving.server import TritonServer
from tests.triton.callers import num_open, until

NUM_CALLERS = 40
OPTIONS = SpeechOptions(seed=3, max_frames=4)


def sockets(server: TritonServer) -> int:
    """Sockets of the server that somebody is connected to, or whose other end is gone."""
    listening = psutil.CONN_LISTEN
    return sum(each.status != listening for each in psutil.Process(server.process_id).net_connections("tcp"))


async def stream(client: AsyncS1Client) -> None:
    async for _ in client.stream("Hello.", OPTIONS):
        pass


async def stream_to_the_last_chunk(client: AsyncS1Client) -> None:
    async with client.stream("Hello.", OPTIONS) as chunks:
        async for chunk in chunks:
            if chunk.is_last:
                return


async def speak(client: AsyncS1Client) -> None:
    await client.speak("Hello.", OPTIONS)


async def look_at_voices(client: AsyncS1Client) -> None:
    await client.voices.list()


@pytest.mark.parametrize("use", [stream, stream_to_the_last_chunk, speak, look_at_voices])
async def test_whoever_closes_leaves_no_socket(server, use):
    """Each caller has a client of its own, and closes it at once."""
    assert await until(lambda: num_open(server) == 0)
    before = sockets(server)

    async def call() -> None:
        async with AsyncS1Client(f"127.0.0.1:{server.ports.grpc}") as client:
            await use(client)

    for _ in range(4):
        await asyncio.gather(*(call() for _ in range(NUM_CALLERS // 4)))
    assert await until(lambda: sockets(server) <= before)
