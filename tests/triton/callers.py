"""What callers of a server do, in few words, for the tests."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import numpy as np
import numpy.typing as npt
import tritonclient.grpc.aio as grpcclient
from tritonclient.utils import InferenceServerException

from s1_client import AsyncS1Client, SpeechOptions
from s1_client.stream_call import END_TIMEOUT_S
from s1_protocol.names import Field, ModelName
from s1_protocol.sound import FRAME_SAMPLES
from s1_protocol.tensors import LLAMA_INPUTS, SPEECH_INPUTS
from s1_tts.serving.server import TritonServer
from s1_tts.wire.arrays import NamedArray
from s1_tts.wire.seal import Seal

NUMPY_TYPES = {"STRING": np.object_, "INT64": np.int64, "INT32": np.int32, "FP32": np.float32, "UINT64": np.uint64}
SPECS = {spec.name.value: spec for spec in (*SPEECH_INPUTS, *LLAMA_INPUTS)}


@dataclass(frozen=True, eq=False)
class Chunk:
    samples: npt.NDArray[np.int16]
    index: int
    is_last: bool
    base64: bytes
    is_cut: bool


def array_of(name: str, value: Any) -> npt.NDArray[Any]:
    """``[1, 1]`` of the declared type, unless an array is given."""
    if isinstance(value, np.ndarray):
        return value
    dtype = NUMPY_TYPES[SPECS[name].dtype]
    return np.array([[value.encode() if isinstance(value, str) else value]], dtype=dtype)


def inputs_of(fields: Mapping[str, Any]) -> list[grpcclient.InferInput]:
    inputs = []
    for name, value in fields.items():
        array = array_of(name, value)
        datatype = {"object": "BYTES", "bool": "BOOL", "float32": "FP32"}.get(
            str(array.dtype), str(array.dtype).upper()
        )
        tensor = grpcclient.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


def sealed_inputs_of(server: TritonServer, fields: Mapping[str, Any]) -> list[grpcclient.InferInput]:
    """Inputs of an inner model, as another model of this server would send them."""
    arrays = [NamedArray(name, array_of(name, value)) for name, value in fields.items()]
    return inputs_of({tensor.name: tensor.values for tensor in Seal(server.seal_key.encode()).put_on(arrays)})


async def stream(
    client: grpcclient.InferenceServerClient, *, parameters: dict[str, Any] | None = None, **fields: Any
) -> AsyncIterator[Chunk]:
    """Chunks of ``s1_mini_stream`` until the last one."""

    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield {
            "model_name": ModelName.STREAM.value,
            "inputs": inputs_of(fields),
            "parameters": parameters,
            "enable_empty_final_response": True,
        }

    answers = client.stream_infer(requests())
    try:
        async for result, error in answers:
            if error is not None:
                await _let_end(answers)
                raise error
            chunk = chunk_of(result)
            if chunk is not None:
                yield chunk
    finally:
        answers.cancel()  # a caller that stops reading leaves; to a call that has ended this is nothing


async def _let_end(answers: Any) -> None:
    """After an error, wait for the call's end: cancelled just before it, a call may stay in tritonserver (24.10)."""
    with suppress(TimeoutError, InferenceServerException):
        async with asyncio.timeout(END_TIMEOUT_S):
            async for _ in answers:
                pass


async def collect(client: grpcclient.InferenceServerClient, **fields: Any) -> list[Chunk]:
    return [chunk async for chunk in stream(client, **fields)]


def chunk_of(result: Any) -> Chunk | None:
    audio = result.as_numpy(Field.AUDIO)
    if audio is None:
        return None
    return Chunk(
        samples=audio.reshape(-1),
        index=int(result.as_numpy(Field.CHUNK_INDEX).item()),
        is_last=bool(result.as_numpy(Field.IS_LAST).item()),
        base64=result.as_numpy(Field.AUDIO_BASE64).item(),
        is_cut=bool(result.as_numpy(Field.IS_CUT).item()),
    )


async def answer(
    client: grpcclient.InferenceServerClient, *, parameters: dict[str, Any] | None = None, **fields: Any
) -> Any:
    """The result of ``s1_mini`` over unary gRPC."""
    return await client.infer(ModelName.ONE_ANSWER.value, inputs_of(fields), parameters=parameters)


def joined(chunks: list[Chunk]) -> npt.NDArray[np.int16]:
    return np.concatenate([chunk.samples for chunk in chunks])


def read_metrics(server: TritonServer) -> dict[str, float]:
    """Our metrics by name and labels."""
    host = server.reachable_host.strip("[]")
    text = request_http(server.ports.metrics, "GET", "/metrics", host=host).body.decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("s1_")]
    return {name: float(value) for name, value in lines}


def num_open(server: TritonServer) -> float:
    """Sequences that run or wait."""
    metrics = read_metrics(server)
    return sum(value for name, value in metrics.items() if name.startswith(("s1_lm_active_seq", "s1_lm_waiting_seq")))


async def assert_speaks_on_each_port(server: TritonServer) -> None:
    """Ask at the address that a caller on this machine is told; SageMaker's port knows IPv4 only."""
    host = server.reachable_host.strip("[]")
    async with AsyncS1Client(f"{server.reachable_host}:{server.ports.grpc}") as client:
        spoken = await client.speak("Hello.", SpeechOptions(seed=1, max_frames=4))
    assert len(spoken.samples) == 4 * FRAME_SAMPLES
    for port, path in ((server.ports.http, "/v2/health/ready"), (server.ports.metrics, "/metrics")):
        assert request_http(port, "GET", path, host=host).status == 200
    assert server.ports.sagemaker is not None
    assert request_http(server.ports.sagemaker, "GET", "/ping").status == 200


async def until(is_true: Callable[[], bool], timeout_s: float = 30.0) -> bool:
    """Whether something comes true in time; metrics change once a second, so there is no event to wait for."""
    deadline_s = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(0.05)
    return True


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request_http(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
) -> HttpAnswer:
    connection = HTTPConnection(host, port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return HttpAnswer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def post_json(port: int, path: str, body: Any) -> HttpAnswer:
    return request_http(port, "POST", path, json.dumps(body).encode())


def kserve_json(text: str, *, max_frames: int = 12, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A request of the KServe v2 protocol in JSON, as any HTTP client would write it."""
    return {
        "inputs": [
            {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [text]},
            {"name": "seed", "shape": [1, 1], "datatype": "INT64", "data": [7]},
            {"name": "max_frames", "shape": [1, 1], "datatype": "INT32", "data": [max_frames]},
        ],
        "parameters": dict(parameters or {}),
    }


def read_events(body: bytes) -> list[dict[str, Any]]:
    """Data of server-sent events."""
    return [json.loads(line.removeprefix(b"data:")) for line in body.splitlines() if line.startswith(b"data:")]
