"""What callers of a server do, in few words, for the tests."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tritonclient.grpc.aio as grpcclient

from s1_tts.protocol import LLAMA_INPUTS, SPEECH_INPUTS, Field, ModelName

NUMPY_TYPES = {"STRING": np.object_, "INT64": np.int64, "INT32": np.int32, "FP32": np.float32, "UINT64": np.uint64}
SPECS = {spec.name.value: spec for spec in (*SPEECH_INPUTS, *LLAMA_INPUTS)}


@dataclass(frozen=True, eq=False)
class Chunk:
    samples: npt.NDArray[np.int16]
    index: int
    is_last: bool
    base64: bytes


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
                raise error
            chunk = chunk_of(result)
            if chunk is None:
                return
            yield chunk
    finally:
        answers.cancel()  # a caller that stops reading leaves


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
    )


async def answer(
    client: grpcclient.InferenceServerClient, *, parameters: dict[str, Any] | None = None, **fields: Any
) -> Any:
    """The result of ``s1_mini`` over unary gRPC."""
    return await client.infer(ModelName.ONE_ANSWER.value, inputs_of(fields), parameters=parameters)


def joined(chunks: list[Chunk]) -> npt.NDArray[np.int16]:
    return np.concatenate([chunk.samples for chunk in chunks])
