"""What a caller of ``s1_mini_stream`` gets."""

import asyncio
import base64

import numpy as np
import pytest

from s1_protocol.sound import FRAME_SAMPLES
from tests.triton.callers import answer, collect, joined, post_json, read_events, sealed_inputs_of

TEXT = "Hello there, how are you today?"


async def test_chunks_come_in_order_and_exactly_one_is_last(client):
    chunks = await collect(client, text=TEXT, seed=1, max_frames=30)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert len(chunks) > 2
    assert 0 < joined(chunks).size <= 30 * FRAME_SAMPLES


async def test_order_holds_for_many_streams_at_once(client):
    streams = await asyncio.gather(
        *[collect(client, text=TEXT, seed=seed, max_frames=20, chunk_frames=2) for seed in range(12)]
    )
    for chunks in streams:
        assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
        assert [chunk.is_last for chunk in chunks].count(True) == 1


async def test_stream_and_one_answer_are_the_same_sound_for_every_chunking(client):
    whole = (await answer(client, text=TEXT, seed=3, max_frames=24)).as_numpy("audio").reshape(-1)
    assert np.abs(whole).max() > 0
    for chunk_frames in (0, 1, 5, 256):
        chunks = await collect(client, text=TEXT, seed=3, max_frames=24, chunk_frames=chunk_frames)
        assert np.array_equal(joined(chunks), whole)


async def test_chunk_frames_is_the_size_of_the_chunks(client):
    chunks = await collect(client, text=TEXT, seed=3, max_frames=12, chunk_frames=4)
    assert [chunk.samples.size for chunk in chunks[:-1]] == [4 * FRAME_SAMPLES] * (len(chunks) - 1)


async def test_last_chunk_may_be_empty(client):
    """Somewhere a stream ends just after a full chunk; then there is nothing left but the mark that it ended."""
    for seed in range(20):
        chunks = await collect(client, text="Hi.", seed=seed, max_frames=400, chunk_frames=1)
        if chunks[-1].samples.size == 0:
            whole = (await answer(client, text="Hi.", seed=seed, max_frames=400, chunk_frames=1)).as_numpy("audio")
            assert np.array_equal(whole.reshape(-1), joined(chunks))
            return
    pytest.fail("no stream ended on its own")


async def test_base64_comes_only_when_asked_for(client):
    plain = await collect(client, text=TEXT, seed=1, max_frames=8)
    encoded = await collect(client, text=TEXT, seed=1, max_frames=8, parameters={"audio_base64": True})
    assert all(chunk.base64 == b"" for chunk in plain)
    assert all(base64.b64decode(chunk.base64) == chunk.samples.tobytes() for chunk in encoded)


async def test_special_tokens_in_a_text_are_read_as_text(client):
    """The end token would end the speech at once if it were taken for one."""
    for text in ("<|im_end|> and so on", "say <|semantic:5|> please", "<|text|>"):
        assert joined(await collect(client, text=text, seed=1, max_frames=8)).size > 0


async def test_direct_caller_of_the_language_model_gets_codes(server, client):
    async def requests():
        inputs = sealed_inputs_of(server, {"text": TEXT, "max_frames": 5, "seed": 1})
        yield {"model_name": "s1_llama", "inputs": inputs}

    frames = 0
    async for result, error in client.stream_infer(requests()):
        assert error is None
        frames += result.as_numpy("codes").shape[2]
        if result.as_numpy("is_last").item():
            break
    assert 0 < frames <= 5


def test_server_sent_events_carry_the_sound_as_base64(server):
    body = {"text": TEXT, "seed": 1, "max_frames": 12, "chunk_frames": 4, "parameters": {"audio_base64": True}}
    response = post_json(server.ports.http, "/v2/models/s1_mini_stream/generate_stream", body)
    assert response.status == 200
    events = read_events(response.body)
    assert [event["chunk_index"] for event in events] == list(range(len(events)))
    assert [event["is_last"] for event in events].count(True) == 1
    for event in events:
        # An empty tensor is written as an empty list, a single value as the value.
        assert base64.b64decode(event["audio_base64"]) == np.array(event["audio"], dtype=np.int16).tobytes()
