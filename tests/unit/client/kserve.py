"""A gRPC server that speaks the KServe v2 protocol as Triton does; only the model behind it is made up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferResult, service_pb2, service_pb2_grpc

from s1_protocol.errors import ErrorCode
from s1_protocol.names import Field
from s1_protocol.sound import SAMPLE_RATE_HZ


class RefusalError(Exception):
    """The model's error."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(eq=False)
class Chunk:
    """One response of the model."""

    index: int
    is_last: bool = False
    samples: npt.NDArray[np.int16] = field(default_factory=lambda: np.arange(4, dtype=np.int16))
    is_cut: bool = False


Model = Callable[[service_pb2.ModelInferRequest], AsyncIterator[Chunk]]


def tensor_of(request: service_pb2.ModelInferRequest, name: str) -> npt.NDArray[np.generic] | None:
    """Read an input tensor; requests and responses have the same layout."""
    names = [tensor.name for tensor in request.inputs]
    if name not in names:
        return None
    tensor = request.inputs[names.index(name)]
    assert list(tensor.shape) == [1, 1]
    response = service_pb2.ModelInferResponse(raw_output_contents=[request.raw_input_contents[names.index(name)]])
    response.outputs.add(name=name, datatype=tensor.datatype, shape=tensor.shape)
    return InferResult(response).as_numpy(name)


class KServe(service_pb2_grpc.GRPCInferenceServiceServicer):
    """The service, with one model for every name.

    Args:
        model: Makes the responses to a request.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.requests: list[service_pb2.ModelInferRequest] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.requested = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.knows_codes = True
        self.ready = {"s1_mini_stream"}

    async def ServerMetadata(self, request, context):  # noqa: N802  # the protocol's name
        return service_pb2.ServerMetadataResponse(name="triton", version="2.0")

    async def ServerLive(self, request, context):  # noqa: N802  # the protocol's name
        return service_pb2.ServerLiveResponse(live=True)

    async def ServerReady(self, request, context):  # noqa: N802  # the protocol's name
        return service_pb2.ServerReadyResponse(ready=True)

    async def ModelReady(self, request, context):  # noqa: N802  # the protocol's name
        return service_pb2.ModelReadyResponse(ready=request.name in self.ready)

    async def ModelInfer(self, request, context):  # noqa: N802  # the protocol's name
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        try:
            chunks = [chunk async for chunk in self.model(request)]
        except RefusalError as refusal:
            await context.abort(refusal.status, refusal.message)
        return respond(request, np.concatenate([chunk.samples for chunk in chunks]), is_cut=chunks[-1].is_cut)

    async def ModelStreamInfer(self, request_iterator, context):  # noqa: N802  # the protocol's name
        self.metadata.append(dict(context.invocation_metadata()))
        try:
            async for request in request_iterator:
                is_coded = self.knows_codes and request.parameters["error_code"].bool_param
                self.requests.append(request)
                self.requested.set()
                async for chunk in self.model(request):
                    response = respond(request, chunk.samples, chunk)
                    yield service_pb2.ModelStreamInferResponse(infer_response=response)
        except RefusalError as refusal:
            code = next((code for code in ErrorCode if refusal.status.name.startswith(code.name)), None)
            prefix = f"in ensemble 's1_mini_stream', {f'{code.name}: ' if is_coded and code else ''}"
            yield service_pb2.ModelStreamInferResponse(error_message=prefix + refusal.message)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def respond(
    request: service_pb2.ModelInferRequest,
    samples: npt.NDArray[np.int16],
    chunk: Chunk | None = None,
    *,
    is_cut: bool = False,
) -> service_pb2.ModelInferResponse:
    """Make the response that Triton would send."""
    response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1", id=request.id)
    tensors = {
        Field.AUDIO: ("INT16", samples.reshape(1, -1)),
        Field.SAMPLE_RATE: ("INT32", np.array([[SAMPLE_RATE_HZ]], np.int32)),
        Field.IS_CUT: ("BOOL", np.array([[is_cut or (chunk is not None and chunk.is_cut)]])),
    }
    if chunk is not None:
        tensors[Field.CHUNK_INDEX] = ("INT32", np.array([[chunk.index]], np.int32))
        tensors[Field.IS_LAST] = ("BOOL", np.array([[chunk.is_last]]))
    for name, (datatype, tensor) in tensors.items():
        response.outputs.add(name=name, datatype=datatype, shape=tensor.shape)
        response.raw_output_contents.append(tensor.tobytes())
    return response


@asynccontextmanager
async def serving(
    service: KServe, port: int = 0, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    """Serve on a port of the loopback, 0 for a free one; gives the URL."""
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(service, server)
    address = f"localhost:{port}"
    bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield f"localhost:{bound}"
    finally:
        await server.stop(grace=None)


def playing(*chunks: Chunk | RefusalError | Awaitable[None]) -> Model:
    """Make a model that plays these responses, errors and waits in order."""

    async def model(request: service_pb2.ModelInferRequest) -> AsyncIterator[Chunk]:
        for chunk in chunks:
            if isinstance(chunk, RefusalError):
                raise chunk
            if isinstance(chunk, Chunk):
                yield chunk
            else:
                await chunk

    return model


def in_turn(*models: Model) -> Model:
    """Make a model that answers each request as the next of these does, and further ones as the last."""
    left = list(models)

    async def model(request: service_pb2.ModelInferRequest) -> AsyncIterator[Chunk]:
        async for chunk in (left.pop(0) if len(left) > 1 else left[0])(request):
            yield chunk

    return model


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that tells nobody when it happens."""
    while not condition():  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(0.001)
