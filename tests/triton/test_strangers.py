"""A stranger on the ports can ask for speech and for public operations of voices, and nothing else."""

import asyncio
import re

import numpy as np
import pytest
import tritonclient.grpc.aio as grpcclient
from tritonclient.utils import InferenceServerException

from s1_protocol.names import Field
from s1_tts.serving.side_door import GRPC_HEADER, HTTP_HEADER
from tests.triton.callers import collect, inputs_of, joined, num_open, post_json, request_http, stream, until

LONG = "This sentence is said again and again. " * 40
CLOSED = re.compile("seal: is (missing|wrong)")


async def ask(client: grpcclient.InferenceServerClient, model: str, fields: dict) -> list:
    async def requests():
        yield {"model_name": model, "inputs": inputs_of(fields)}

    results = []
    async for result, error in client.stream_infer(requests()):
        if error is not None:
            raise error
        results.append(result)
    return results


def codes_fields(stream_id: int, **more) -> dict:
    return {
        "codes": np.zeros((1, 10, 4), np.int32),
        "stream_id": np.array([[stream_id]], np.uint64),
        "chunk_index": np.array([[0]], np.int32),
        "is_last": np.array([[True]]),
        "service": np.array([[b"call"]], np.object_),
        **more,
    }


STRANGE = {
    "speech": ("s1_llama", {"text": "Hello.", "max_frames": 4}),
    "a guessed seal": ("s1_llama", {"text": "Hello.", "seal": np.array([[b"0" * 64]], np.object_)}),
    "an abort": ("s1_llama", {"abort_stream_ids": np.array([[1, 2]], np.uint64)}),
    "an abort by ticket": ("s1_llama", {"abort_tickets": np.array([[b"x"]], np.object_)}),
    "codes": ("s1_codec", codes_fields(1)),
    "codes with a guessed seal": ("s1_codec", codes_fields(1, seal=np.array([[b"0" * 64]], np.object_))),
}


@pytest.mark.parametrize("case", STRANGE)
async def test_inner_models_answer_no_stranger(client, case):
    model, fields = STRANGE[case]
    with pytest.raises(InferenceServerException, match=CLOSED):
        await ask(client, model, fields)


async def test_a_stranger_who_goes_the_way_by_hand_gets_his_own_stream_and_no_other(server, client):
    """What the voices have sealed for him, the language model takes. What comes of it ends nobody's stream."""
    kept = {"text": "Hello there, how are you?", "seed": 9, "max_frames": 30, "chunk_frames": 2}
    alone = joined(await collect(client, **kept))
    reader = stream(client, **kept)
    first = await anext(reader)
    (checked,) = await ask(client, "s1_voice", {"text": "Mine.", "max_frames": 4, "seed": 1})
    names = [output.name for output in checked.get_response().outputs]
    mine = await ask(client, "s1_llama", {name: checked.as_numpy(name) for name in names})
    ids = {int(result.as_numpy(Field.STREAM_ID).item()) for result in mine}
    assert len(ids) == 1
    abort = {"abort_stream_ids": np.array([[*ids]], np.uint64), "seal": mine[0].as_numpy(Field.SEAL)}
    with pytest.raises(InferenceServerException, match=CLOSED):  # nor with a seal that belongs to something else
        await ask(client, "s1_llama", abort)
    rest = [chunk async for chunk in reader]
    assert np.array_equal(joined([first, *rest]), alone)


async def test_ids_of_streams_tell_nothing_of_each_other(client):
    ids = []
    for _ in range(3):
        (checked,) = await ask(client, "s1_voice", {"text": "Mine.", "max_frames": 2, "seed": 1})
        names = [output.name for output in checked.get_response().outputs]
        mine = await ask(client, "s1_llama", {name: checked.as_numpy(name) for name in names})
        ids.append(int(mine[0].as_numpy(Field.STREAM_ID).item()))
    assert min(abs(one - other) for one in ids for other in ids if one is not other) > 2**20


SIDE_DOORS = {
    "statistics": ("GET", "/v2/models/stats"),
    "logging": ("GET", "/v2/logging"),
    "trace": ("GET", "/v2/trace/setting"),
    "repository": ("POST", "/v2/repository/index"),
    "shared memory": ("GET", "/v2/systemsharedmemory/status"),
}


@pytest.mark.parametrize("door", SIDE_DOORS)
def test_side_doors_open_for_the_secret_of_this_start_only(server, door):
    method, path = SIDE_DOORS[door]
    assert request_http(server.ports.http, method, path).status == 403
    assert request_http(server.ports.http, method, path, headers={HTTP_HEADER: "guessed"}).status == 403
    opened = request_http(server.ports.http, method, path, headers={HTTP_HEADER: server.side_door.secret})
    assert opened.status == 200


async def test_side_doors_over_grpc(server, client):
    for call in (client.get_inference_statistics, client.get_log_settings, client.get_model_repository_index):
        with pytest.raises(InferenceServerException, match="restricted"):
            await call()
        await call(headers={GRPC_HEADER: server.side_door.secret})


async def test_health_metadata_metrics_and_speech_stay_open(server, client):
    assert await client.is_server_ready()
    assert await client.is_model_ready("s1_mini_stream")
    assert (await client.get_model_metadata("s1_mini_stream")).name == "s1_mini_stream"
    assert request_http(server.ports.http, "GET", "/v2/health/ready").status == 200
    assert request_http(server.ports.metrics, "GET", "/metrics").status == 200
    body = {"text": "Hello.", "max_frames": 4}
    assert (await asyncio.to_thread(post_json, server.ports.http, "/v2/models/s1_mini/generate", body)).status == 200
    assert await until(lambda: num_open(server) == 0)
