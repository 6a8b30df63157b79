"""The server's own doors, as callers who send any tensors, right or wrong."""

from typing import Any

import grpc
import numpy as np
from perf.siege.place import Place
from perf.siege.tally import ToldError
from tests.triton.callers import answer, collect
from tritonclient.utils import InferenceServerException

from s1_protocol.names import Field


async def one_answer(place: Place, **fields: Any) -> bytes:
    """``s1_mini`` over gRPC.

    Raises:
        ToldError: it answers with an error.
    """
    try:
        result = await answer(place.triton, **fields)
    except (InferenceServerException, grpc.aio.AioRpcError) as error:
        raise ToldError(str(error)) from error
    samples: bytes = result.as_numpy(Field.AUDIO.value).tobytes()
    return samples


async def whole_stream(place: Place, **fields: Any) -> bytes:
    """``s1_mini_stream`` to its end.

    Raises:
        ToldError: it ends with an error.
    """
    try:
        samples = [chunk.samples for chunk in await collect(place.triton, **fields)]
    except (InferenceServerException, grpc.aio.AioRpcError) as error:
        raise ToldError(str(error)) from error
    return np.concatenate(samples).tobytes() if samples else b""


def recording_fields(audio: bytes, words: str = "What is said in it.") -> dict[str, Any]:
    """Fields of a request with a recording."""
    as_object = [np.array([[value]], dtype=np.object_) for value in (audio, words.encode())]
    return {"reference_audio": as_object[0], "reference_text": as_object[1]}
