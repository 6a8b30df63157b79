"""Faults of the engines, and too many callers: the streams end, and the server goes on."""

import asyncio

import pytest
from tritonclient.utils import InferenceServerException

from tests.triton.callers import answer, collect, joined, num_open, stream, until

FAULTY_SEED = 666  # as in faulty/s1_llama.py, which only Triton can import
LONG = "This sentence is said again and again. " * 40
PATIENCE_S = 60
"""Only so that a test that fails comes to an end."""


@pytest.mark.parametrize("call", [collect, answer])
async def test_fault_of_the_language_model(strained_client, call):
    with pytest.raises(InferenceServerException, match=r"internal error [0-9a-f]+") as caught:
        await asyncio.wait_for(call(strained_client, text="Hello.", seed=FAULTY_SEED), PATIENCE_S)
    assert "secret" not in caught.value.message()


@pytest.mark.parametrize("call", [collect, answer])
async def test_fault_of_the_codec_ends_the_stream(strained_server, strained_client, call):
    """After two chunks, so the caller has got some and the language model is at work on more."""
    fields = {"text": LONG, "service": "call", "chunk_frames": 2, "max_frames": 2000}
    with pytest.raises(InferenceServerException, match=r"internal error [0-9a-f]+") as caught:
        await asyncio.wait_for(call(strained_client, **fields), PATIENCE_S)
    assert "secret" not in caught.value.message()
    assert await until(lambda: num_open(strained_server) == 0)


async def test_error_of_one_answer_keeps_its_code(strained_client):
    for fields in ({"text": "Hello.", "seed": FAULTY_SEED}, {"text": LONG, "service": "call", "chunk_frames": 2}):
        with pytest.raises(InferenceServerException) as caught:
            await asyncio.wait_for(answer(strained_client, **fields), PATIENCE_S)
        assert caught.value.status() == "StatusCode.INTERNAL"


async def test_full_queue_refuses_and_recovers(strained_server, strained_client):
    """Two slots and one place to wait: the fourth is refused at once."""
    readers = [stream(strained_client, text=LONG, seed=seed, max_frames=20_000) for seed in range(3)]
    first_two = [await anext(reader) for reader in readers[:2]]
    waiting = asyncio.ensure_future(anext(readers[2]))
    assert await until(lambda: num_open(strained_server) == 3)
    with pytest.raises(InferenceServerException) as caught:
        await asyncio.wait_for(answer(strained_client, text="Hello."), PATIENCE_S)
    assert caught.value.status() == "StatusCode.UNAVAILABLE"
    with pytest.raises(InferenceServerException, match="queue is full"):
        await asyncio.wait_for(collect(strained_client, text="Hello."), PATIENCE_S)
    assert [chunk.index for chunk in first_two] == [0, 0]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    for reader in readers:
        await reader.aclose()
    assert await until(lambda: num_open(strained_server) == 0)
    assert joined(await collect(strained_client, text="Hello.", seed=1, max_frames=8)).size > 0
