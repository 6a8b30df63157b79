"""Bad input, and what is told about it."""

import asyncio
import time

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.triton.callers import answer, collect, kserve_json, post_json, read_events

EARLIEST_ERROR_S = 0.05  # as in s1_tts/triton/sender.py, which only Triton can import

OUT_OF_RANGE = [
    ("temperature", -0.1),
    ("temperature", 2.1),
    ("temperature", float("nan")),
    ("temperature", float("inf")),
    ("top_p", 0.0),
    ("top_p", 1.1),
    ("top_p", float("nan")),
    ("repetition_penalty", 0.4),
    ("repetition_penalty", 2.1),
    ("repetition_penalty", float("nan")),
    ("seed", -1),
    ("max_frames", -1),
    ("max_frames", 65_537),
    ("chunk_frames", -1),
    ("chunk_frames", 257),
    ("deadline_ms", -1),
    ("service", "friend"),
]
BAD_TEXTS = {
    "empty": "",
    "spaces": " \n\t ",
    "emoji": "😀🎉",
    "too long": "a" * 10_001,
    "not UTF-8": np.array([[b"\xff\xfehello"]], dtype=np.object_),
    "two": np.array([[b"one"], [b"two"]], dtype=np.object_),
}


async def refusal(client, **fields):
    """The one error that both models answer with, and the gRPC status of the one-answer model."""
    with pytest.raises(InferenceServerException) as of_stream:
        await asyncio.wait_for(collect(client, **fields), 10)
    with pytest.raises(InferenceServerException) as of_answer:
        await asyncio.wait_for(answer(client, **fields), 10)
    # An ensemble puts its own name before the message.
    assert of_stream.value.message().endswith(of_answer.value.message())
    return of_answer.value


@pytest.mark.parametrize("model", ["s1_mini/generate", "s1_mini_stream/generate_stream"])
@pytest.mark.parametrize(
    ("name", "near"), [("temprature", "temperature"), ("topp", "top_p"), ("maxframes", "max_frames")]
)
def test_a_misspelt_option_in_json_is_told_as_that(server, model, name, near):
    """Triton makes a parameter of a member that is no input, and of some it makes decimals."""
    answer = post_json(server.ports.http, f"/v2/models/{model}", {"text": "Hello.", name: 0.5})
    assert f"{name}: is no input; allowed: the input {near}" in answer.body.decode()


def test_other_members_of_json_are_passed_over(server):
    body = {"text": "Hello.", "max_frames": 4, "loudness": 0.5, "user": "somebody"}
    assert post_json(server.ports.http, "/v2/models/s1_mini/generate", body).status == 200


@pytest.mark.parametrize(("field", "value"), OUT_OF_RANGE)
async def test_option_out_of_range(client, field, value):
    error = await refusal(client, text="Hello.", **{field: value})
    assert error.status() == "StatusCode.INVALID_ARGUMENT"
    assert error.message().startswith(f"{field}: ")
    assert "allowed: " in error.message()


@pytest.mark.parametrize("kind", BAD_TEXTS)
async def test_bad_text(client, kind):
    error = await refusal(client, text=BAD_TEXTS[kind])
    assert error.status() == "StatusCode.INVALID_ARGUMENT"
    assert error.message().startswith("text: ")


async def test_missing_text(client):
    error = await refusal(client, seed=1)
    assert error.status() == "StatusCode.INVALID_ARGUMENT"
    assert error.message().startswith("text: is missing")


@pytest.mark.parametrize(
    "seed", [np.array([[1.0]], dtype=np.float32), np.array([[1, 2]], dtype=np.int64), np.array([1], dtype=np.int64)]
)
async def test_wrong_type_or_shape(client, seed):
    """Triton's own check; its message names the model, so the two differ."""
    for call in (collect, answer):
        with pytest.raises(InferenceServerException, match="seed"):
            await asyncio.wait_for(call(client, text="Hello.", seed=seed), 10)


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"temperature": 9.0}, "INVALID_ARG: temperature: "), ({"voice": "nobody"}, "NOT_FOUND: voice: ")],
)
async def test_the_code_is_in_the_message_of_a_stream_that_asks_for_it(client, fields, code):
    with pytest.raises(InferenceServerException, match=code):
        await collect(client, text="Hello.", parameters={"error_code": True}, **fields)
    with pytest.raises(InferenceServerException) as caught:
        await collect(client, text="Hello.", **fields)
    assert code not in caught.value.message()


@pytest.mark.parametrize("fields", [{"temperature": 9.0}, {"voice": "nobody"}])
async def test_no_error_comes_too_early_for_triton(client, fields):
    """A guard for its gRPC frontend."""
    for _ in range(3):
        started_s = time.monotonic()
        with pytest.raises(InferenceServerException):
            await asyncio.wait_for(collect(client, text="Hello.", **fields), 10)
        assert time.monotonic() - started_s >= EARLIEST_ERROR_S


async def test_unknown_voice(client):
    error = await refusal(client, text="Hello.", voice="nobody")
    assert error.status() == "StatusCode.NOT_FOUND"
    assert "nobody" in error.message()


def test_http_status_and_message(server):
    response = post_json(server.ports.http, "/v2/models/s1_mini/infer", kserve_json(" "))
    assert response.status == 400
    assert response.json["error"].startswith("text: ")


def test_server_sent_event_of_an_error(server):
    response = post_json(server.ports.http, "/v2/models/s1_mini_stream/generate_stream", {"text": "Hi.", "top_p": 9.0})
    assert response.status == 400
    assert "top_p: got 9" in read_events(response.body)[0]["error"]


async def test_nobody_drains_a_server_without_its_key(server, client):
    url = "/v2/models/s1_llama/generate_stream"
    for key in ("", "guessed"):
        told = read_events((await asyncio.to_thread(post_json, server.ports.http, url, {"drain": key})).body)
        assert "drain: is not this server's key" in told[0]["error"]
    assert (await collect(client, text="Hello.", max_frames=4))[-1].is_last


async def test_deadline_that_cannot_be_met(client):
    await collect(client, text="Hello.", max_frames=4)  # so that the engine has measured itself
    with pytest.raises(InferenceServerException, match="deadline_ms: 1 "):
        await collect(client, text="Hello.", deadline_ms=1)
    with pytest.raises(InferenceServerException) as caught:
        await answer(client, text="Hello.", deadline_ms=1)
    assert caught.value.status() == "StatusCode.UNAVAILABLE"


async def test_bad_request_leaves_its_neighbour_alone(client):
    good = asyncio.create_task(collect(client, text="Hello.", seed=1, max_frames=20, chunk_frames=2))
    for _ in range(5):
        await refusal(client, text=" ")
    assert (await good)[-1].is_last
