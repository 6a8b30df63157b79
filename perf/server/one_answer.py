"""Requests for one whole answer, timed, over gRPC and HTTP."""

import time
from collections.abc import Sequence

import numpy as np
import tritonclient.grpc.aio
import tritonclient.http.aio
from perf.load.generator import StreamRequest, closed_loop, new_record
from perf.load.streams import ChunkArrival, Outcome, StreamRecord
from tritonclient.http import InferInput

from s1_client.options import make_inputs
from s1_protocol.names import Field, ModelName
from s1_protocol.request_options import MAX_FRAMES


async def answers_over_grpc(url: str, requests: Sequence[StreamRequest], concurrency: int) -> list[StreamRecord]:
    """Ask ``s1_mini`` over gRPC, so many at a time; a record has one chunk, the whole answer."""
    async with tritonclient.grpc.aio.InferenceServerClient(url) as client:

        async def ask(index: int, request: StreamRequest) -> StreamRecord:
            record = new_record(index, request, time.perf_counter())
            result = await client.infer(ModelName.ONE_ANSWER.value, make_inputs(request.text.text, request.options))
            return _finished(record, result.as_numpy(Field.AUDIO.value).size)

        return await closed_loop(ask, requests, concurrency)


async def answers_over_http(url: str, requests: Sequence[StreamRequest], concurrency: int) -> list[StreamRecord]:
    """The same over HTTP."""
    async with tritonclient.http.aio.InferenceServerClient(url) as client:

        async def ask(index: int, request: StreamRequest) -> StreamRecord:
            record = new_record(index, request, time.perf_counter())
            result = await client.infer(ModelName.ONE_ANSWER.value, _http_inputs(request))
            return _finished(record, result.as_numpy(Field.AUDIO.value).size)

        return await closed_loop(ask, requests, concurrency)


def _finished(record: StreamRecord, num_samples: int) -> StreamRecord:
    record.ended_s = time.perf_counter()
    record.chunks = [ChunkArrival(record.ended_s, num_samples)]
    record.num_chunks = 1
    record.outcome = Outcome.OK
    return record


def _http_inputs(request: StreamRequest) -> list[InferInput]:
    options = request.options
    arrays = [
        (Field.TEXT, "BYTES", np.array([[request.text.text.encode()]], dtype=np.object_)),
        (Field.SEED, "INT64", np.array([[options.seed or 0]], dtype=np.int64)),
        (Field.MAX_FRAMES, "INT32", np.array([[options.max_frames or MAX_FRAMES.default]], dtype=np.int32)),
    ]
    return [InferInput(name.value, [1, 1], datatype).set_data_from_numpy(array) for name, datatype, array in arrays]
