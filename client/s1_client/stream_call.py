"""A request whose answer is a stream: built, sent in one step, and read message by message."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import grpc
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, deserialize_bytes_tensor, triton_to_np_dtype

from s1_protocol.names import ModelName, Parameter
from s1_protocol.tensors import TensorSpec

Tensors = Sequence[tuple[TensorSpec, npt.NDArray[Any]]]
"""Tensors of a request; those of bytes hold objects."""

# On a stream an error has no code of its own; this asks our models for it in the message.
STREAM_PARAMETERS: Final = {Parameter.ERROR_CODE.value: True}

END_TIMEOUT_S: Final = 1.0
"""How long the end of a call is waited for that has had its last response."""

_METHOD: Final = "/inference.GRPCInferenceService/ModelStreamInfer"


def make_request(model: ModelName, tensors: Tensors) -> service_pb2.ModelInferRequest:
    """Put tensors into the message of a request.

    Args:
        model: Who is asked.
        tensors: What is asked.
    """
    request = service_pb2.ModelInferRequest(model_name=model.value)
    for name, value in STREAM_PARAMETERS.items():
        request.parameters[name].bool_param = value
    for spec, tensor in tensors:
        request.inputs.add(name=spec.name.value, datatype=spec.datatype, shape=tensor.shape)
        request.raw_input_contents.append(_bytes_of(tensor))
    return request


class StreamResult:
    """Tensors of one response. ``tritonclient``'s own looks through all of them for each name.

    Args:
        response: As it came.
    """

    def __init__(self, response: service_pb2.ModelInferResponse) -> None:
        tensors = zip(response.outputs, response.raw_output_contents, strict=False)
        self._tensors = {output.name: (output, raw) for output, raw in tensors}

    def as_numpy(self, name: str) -> npt.NDArray[Any] | None:
        """Give the tensor of a name, if it came.

        Raises:
            ValueError: its bytes do not fit its shape.
        """
        if name not in self._tensors:
            return None
        output, raw = self._tensors[name]
        if output.datatype == "BYTES":
            elements: npt.NDArray[Any] = deserialize_bytes_tensor(raw)
        else:
            elements = np.frombuffer(raw, dtype=triton_to_np_dtype(output.datatype))
        return elements.reshape(tuple(output.shape))


class StreamCall:
    """A call under way.

    Args:
        call: gRPC's.
    """

    def __init__(self, call: grpc.aio.UnaryStreamCall[Any, Any]) -> None:
        self._call = call
        # unlike the call's own read(), this never looks whether the call has ended before all was read
        self._messages: AsyncIterator[Any] = aiter(call)
        self._end: asyncio.Task[StreamResult | None] | None = None

    async def read(self) -> StreamResult | None:
        """Wait for the next response; None at the end.

        Raises:
            InferenceServerException: the model's error.
            AioRpcError: the call failed.
        """
        response = await anext(self._messages, None)
        if response is None:
            return None
        if response.error_message:
            raise InferenceServerException(msg=response.error_message)
        return StreamResult(response.infer_response)

    async def read_end(self) -> StreamResult | None:
        """Wait for what follows the last response, as :meth:`read` does; to be cancelled meanwhile stops nothing."""
        if self._end is None:
            self._end = asyncio.ensure_future(self.read())
            self._end.add_done_callback(lambda end: end.cancelled() or end.exception())  # nobody may be left to ask
        return await asyncio.shield(self._end)

    async def let_end(self) -> None:
        """After the last response, wait a moment for the end of the call, whatever it is.

        It is on its way. A call that is cancelled just before it may leave a socket behind in tritonserver (24.10).
        """
        with suppress(TimeoutError, grpc.aio.AioRpcError, InferenceServerException):
            async with asyncio.timeout(END_TIMEOUT_S):
                await self.read_end()

    def cancel(self) -> None:
        """Stop the call; the server sees it. To one that has ended this is nothing."""
        self._call.cancel()


class Triton(InferenceServerClient):  # type: ignore[misc]  # it has no types
    """``tritonclient``, with a stream that is asked for in one step.

    ``stream_infer`` sends a stream's head, its request and its end one after the other, as further requests might
    follow, and waits for gRPC's thread each time. Of a single request gRPC sends all three at once; to the server it is
    the same call.
    """

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._ask = self._channel.unary_stream(
            _METHOD,
            request_serializer=service_pb2.ModelInferRequest.SerializeToString,
            response_deserializer=service_pb2.ModelStreamInferResponse.FromString,
        )

    def stream_one(
        self, request: service_pb2.ModelInferRequest, timeout_s: float | None, headers: Mapping[str, str]
    ) -> StreamCall:
        """Ask for one stream.

        Args:
            request: What is asked.
            timeout_s: Longest wait for all of the answer; None: no limit.
            headers: Sent with it.
        """
        return StreamCall(self._ask(request, metadata=tuple(headers.items()), timeout=timeout_s))


def _bytes_of(tensor: npt.NDArray[Any]) -> bytes:
    """The tensor's bytes; of bytes, each element after its length in 4 bytes."""
    if tensor.dtype != np.object_:
        return tensor.tobytes()
    return b"".join(len(element).to_bytes(4, "little") + element for element in tensor.flat)
