"""Callers that leave free their slot and disturb nobody."""

import asyncio
import json
import socket

import numpy as np
import pytest
import tritonclient.grpc.aio as grpcclient
from tritonclient.utils import InferenceServerException

from tests.triton.callers import (
    answer,
    collect,
    inputs_of,
    joined,
    num_open,
    read_metrics,
    sealed_inputs_of,
    stream,
    until,
)

LONG = "This sentence is said again and again. " * 40
ENDLESS = {"text": LONG, "max_frames": 4000, "seed": 5}


@pytest.fixture
async def quiet(server):
    """Nothing runs, before and after: whatever a test started has been freed."""
    assert await until(lambda: num_open(server) == 0)
    yield
    assert await until(lambda: num_open(server) == 0)
    assert await until(lambda: read_metrics(server)["s1_codec_active_streams"] == 0)


@pytest.mark.usefixtures("quiet")
async def test_stream_that_is_cancelled(client):
    reader = stream(client, **ENDLESS)
    await anext(reader)
    await reader.aclose()


@pytest.mark.usefixtures("quiet")
async def test_channel_that_is_closed(server):
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{server.ports.grpc}") as leaving:
        reader = stream(leaving, **ENDLESS)
        await anext(reader)
    await reader.aclose()


@pytest.mark.usefixtures("quiet")
async def test_one_answer_that_is_cancelled(server, client):
    call = asyncio.create_task(answer(client, **ENDLESS))
    assert await until(lambda: num_open(server) == 1)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


@pytest.mark.usefixtures("quiet")
async def test_one_answer_whose_deadline_passes(client):
    with pytest.raises(InferenceServerException, match="Deadline Exceeded"):
        await client.infer("s1_mini", inputs_of(ENDLESS), client_timeout=1.5)


@pytest.mark.usefixtures("quiet")
async def test_direct_caller_of_the_language_model(server, client):
    async def requests():
        yield {"model_name": "s1_llama", "inputs": sealed_inputs_of(server, ENDLESS)}

    answers = client.stream_infer(requests())
    await anext(answers)
    answers.cancel()


@pytest.mark.usefixtures("quiet")
async def test_hang_up_on_server_sent_events(server):
    body = json.dumps(ENDLESS).encode()
    with socket.create_connection(("127.0.0.1", server.ports.http)) as connection:
        head = (
            f"POST /v2/models/s1_mini_stream/generate_stream HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        assert await asyncio.to_thread(connection.recv, 1000)


@pytest.mark.usefixtures("quiet")
async def test_many_at_once_leave_the_others_alone(client):
    kept = {"text": "Hello there, how are you?", "seed": 9, "max_frames": 30, "chunk_frames": 2}
    alone = joined(await collect(client, **kept))

    async def leave_after(count, seed):
        reader = stream(client, **{**ENDLESS, "seed": seed})
        for _ in range(count):
            await anext(reader)
        await reader.aclose()

    leaving = [leave_after(seed % 3 + 1, seed) for seed in range(30)]
    together, *_ = await asyncio.gather(collect(client, **kept), *leaving)
    assert np.array_equal(joined(together), alone)


async def test_a_caller_who_leaves_while_waiting_frees_the_place_at_once(strained_server, strained_client):
    """Two have the slots and go on, one waits: behind an ensemble nobody but the codec can see that it leaves."""
    running = [stream(strained_client, **{**ENDLESS, "seed": seed, "chunk_frames": 8}) for seed in range(2)]
    for reader in running:
        await anext(reader)
    waiting = asyncio.ensure_future(collect(strained_client, text="Hello.", seed=3))
    assert await until(lambda: num_open(strained_server) == 3)
    with pytest.raises(InferenceServerException, match="queue is full"):
        await collect(strained_client, text="Hello.", seed=4)
    waiting.cancel()
    assert await until(lambda: num_open(strained_server) == 2)
    assert not any([(await anext(reader)).is_last for reader in running])
    next_one = asyncio.ensure_future(collect(strained_client, text="Hello.", seed=5, max_frames=6))
    for reader in running:
        await reader.aclose()
    assert (await next_one)[-1].is_last
    assert await until(lambda: num_open(strained_server) == 0)


async def test_a_caller_who_waits_gets_the_sound_of_one_who_does_not(strained_server, strained_client):
    """However often it is looked whether the caller is still there."""
    fields = {"text": "Hello there, how are you?", "seed": 9, "max_frames": 30, "chunk_frames": 4}
    alone = joined(await collect(strained_client, **fields))
    running = [stream(strained_client, **{**ENDLESS, "seed": seed}) for seed in range(2)]
    for reader in running:
        await anext(reader)
    waiting = asyncio.ensure_future(collect(strained_client, **fields))
    await asyncio.sleep(1.5)
    for reader in running:
        await reader.aclose()
    assert np.array_equal(joined(await waiting), alone)
