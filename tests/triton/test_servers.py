"""Several real servers behind one client: what one refuses or takes to its grave, another says."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator

import pytest

from s1_client import AsyncS1Client, AudioChunk, Pick, Retry, S1ClientError, ServiceClass, SpeechOptions
from s1_tts.serving.server import TritonServer
from tests.triton.callers import num_open, until

OPTIONS = SpeechOptions(seed=3, max_frames=12)
LONG = "This sentence is said again and again. " * 40
ONCE = Retry(max_attempts=1)
TWICE = Retry(max_attempts=2)


def url_of(server: TritonServer) -> str:
    return f"127.0.0.1:{server.ports.grpc}"


async def say(client: AsyncS1Client) -> bool:
    return [chunk async for chunk in client.stream("Hello.", OPTIONS)][-1].is_last


async def drained(chunks: AsyncGenerator[AudioChunk]) -> None:
    async for _ in chunks:
        pass


async def test_a_full_server_is_followed_by_the_next(strained_server: TritonServer, server: TritonServer) -> None:
    urls = [url_of(strained_server), url_of(server)]
    long = SpeechOptions(max_frames=2000, service=ServiceClass.NOTE)
    async with AsyncS1Client(urls[0]) as filling, AsyncS1Client(urls, pick=Pick.ROUND_ROBIN, retry=ONCE) as client:
        streams = [filling.stream(LONG, long) for _ in range(3)]
        for stream in streams:
            stream.start()
        assert await until(lambda: num_open(strained_server) == 3)
        assert await say(client)
        assert (await client.speak("Hello.", OPTIONS)).duration_s > 0
        assert await say(client)
        assert not any(state.num_failures for state in client.servers), "who refuses is not gone"
        for stream in streams:
            await stream.aclose()
    assert await until(lambda: num_open(strained_server) == 0)


@pytest.mark.ends_its_server
async def test_a_killed_server_loses_the_streams_that_sounded_and_no_other_request(
    mortal: TritonServer, server: TritonServer
) -> None:
    urls = [url_of(mortal), url_of(server)]
    async with AsyncS1Client(urls, pick=Pick.ROUND_ROBIN, retry=TWICE) as client:
        chunks = aiter(client.stream(LONG, SpeechOptions(seed=3, max_frames=2000)))
        await anext(chunks)
        assert await say(client)
        os.kill(mortal.process_id, signal.SIGSTOP)  # it takes the request and says nothing
        streamed = asyncio.create_task(say(client))
        assert await until(lambda: client.servers[0].num_open == 2)
        await asyncio.sleep(0.2)
        os.killpg(mortal.process_id, signal.SIGKILL)
        with pytest.raises(S1ClientError):
            await drained(chunks)
        assert await streamed
        assert [state.num_failures for state in client.servers] == [1, 0], "what breaks together is one failure"
        for _ in range(4):
            assert await say(client)
            assert (await client.speak("Hello.", OPTIONS)).duration_s > 0
        assert client.servers[0].num_failures >= 1


@pytest.mark.ends_its_server
async def test_a_server_that_drains_ends_its_streams_and_others_take_the_rest(
    mortal: TritonServer, server: TritonServer
) -> None:
    async with AsyncS1Client([url_of(mortal), url_of(server)], pick=Pick.ROUND_ROBIN, retry=TWICE) as client:
        under_way = aiter(client.stream("One sentence of some length.", SpeechOptions(seed=3, max_frames=100)))
        await anext(under_way)
        assert client.servers[0].num_open == 1
        stopping = asyncio.create_task(asyncio.to_thread(mortal.stop))
        while not stopping.done():
            assert await say(client)
        assert [chunk async for chunk in under_way][-1].is_last
        await stopping
        assert await say(client)
        assert await say(client)
        await client.set_servers([url_of(server)])
        assert await say(client)
