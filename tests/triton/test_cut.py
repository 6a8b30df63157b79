"""Speech that reached its limit before its text was said says so to every caller."""

import tritonclient.grpc.aio as grpcclient

from s1_tts.serving.server import TritonServer
from tests.triton.callers import answer, collect, post_json

TEXT = "A sentence that is longer than its frames allow."


async def test_the_last_chunk_of_a_stream_tells(client: grpcclient.InferenceServerClient) -> None:
    cut = await collect(client, text=TEXT, seed=3, max_frames=12, chunk_frames=4)
    assert [chunk.is_cut for chunk in cut] == [False, False, True]
    whole = await collect(client, text="Hi.", seed=3)
    assert [chunk.is_cut for chunk in whole] == [False] * len(whole)


async def test_one_answer_tells(client: grpcclient.InferenceServerClient, server: TritonServer) -> None:
    assert (await answer(client, text=TEXT, seed=3, max_frames=12)).as_numpy("is_cut").item()
    assert not (await answer(client, text="Hi.", seed=3)).as_numpy("is_cut").item()
    told = post_json(server.ports.http, "/v2/models/s1_mini/generate", {"text": TEXT, "seed": 3, "max_frames": 12})
    assert told.json["is_cut"] is True
