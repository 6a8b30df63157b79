"""The asynchronous client: one gRPC channel, any number of requests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from s1_client.audio import Speech
from s1_client.errors import S1ClientError, ServerError, UnreachableError
from s1_client.options import SpeechOptions, make_inputs
from s1_client.stream import ResponseIterator, SpeechStream, read_tensor
from s1_tts.errors import ErrorCode
from s1_tts.protocol import Field, ModelName

DEFAULT_URL = "localhost:8001"

# Triton keeps the error's code on a stream only for callers that ask for it, by ending the stream with that status.
STREAM_HEADERS = {"triton_grpc_error": "true"}

_PROBE_TIMEOUT_S = 2.0

_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: ErrorCode.INVALID_ARG,
    grpc.StatusCode.NOT_FOUND: ErrorCode.NOT_FOUND,
    grpc.StatusCode.CANCELLED: ErrorCode.CANCELLED,
    grpc.StatusCode.UNAVAILABLE: ErrorCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL: ErrorCode.INTERNAL,
}


@dataclass(frozen=True)
class Health:
    """How a server is.

    Args:
        is_ready: Whether the server takes requests.
        models: Which of the two models a caller may ask are ready.
    """

    is_ready: bool
    models: frozenset[ModelName]


class AsyncS1Client:
    """Asks a server for speech.

    Use it as ``async with AsyncS1Client() as client``, or call :meth:`close` in the end.

    Args:
        url: Host and gRPC port of the server.
    """

    def __init__(self, url: str = DEFAULT_URL) -> None:
        self.url = url
        self._triton = InferenceServerClient(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channel; requests that are under way are cancelled."""
        await self._triton.close()

    async def health(self) -> Health:
        """Ask how the server is.

        Raises:
            UnreachableError: no server answers.
        """
        asked = (ModelName.STREAM, ModelName.ONE_ANSWER)
        try:
            is_ready = await self._triton.is_server_ready(client_timeout=_PROBE_TIMEOUT_S)
            ready = [m for m in asked if await self._triton.is_model_ready(m.value, client_timeout=_PROBE_TIMEOUT_S)]
        except InferenceServerException as error:
            raise UnreachableError(self.url, error.message()) from error
        return Health(is_ready=is_ready, models=frozenset(ready))

    async def speak(self, text: str, options: SpeechOptions | None = None) -> Speech:
        """Say a text and wait for all of it, from the model that gives one answer.

        Args:
            text: What to say.
            options: How to say it.

        Raises:
            OptionError: an option cannot be sent.
            ServerError: the server refused the request or failed.
            UnreachableError: no server answers.
        """
        model = ModelName.ONE_ANSWER
        inputs = make_inputs(text, options or SpeechOptions())
        try:
            result = await self._triton.infer(model.value, inputs)
        except InferenceServerException as error:
            raise await self._explain(error) from error
        return Speech(
            samples=read_tensor(result, Field.AUDIO, model).reshape(-1),
            sample_rate_hz=int(read_tensor(result, Field.SAMPLE_RATE, model).reshape(-1)[0]),
        )

    def stream(self, text: str, options: SpeechOptions | None = None) -> SpeechStream:
        """Say a text and get its sound chunk by chunk, while the rest is still being made.

        Args:
            text: What to say.
            options: How to say it.

        Returns:
            The chunks: ``async for chunk in client.stream("Hello")``. The request is sent when the loop begins.

        Raises:
            OptionError: an option cannot be sent.
        """
        request = {"model_name": ModelName.STREAM.value, "inputs": make_inputs(text, options or SpeechOptions())}

        def start() -> ResponseIterator:
            responses: ResponseIterator = self._triton.stream_infer(_only(request), headers=STREAM_HEADERS)
            return responses

        return SpeechStream(start, self._explain)

    async def _explain(self, error: grpc.aio.AioRpcError | InferenceServerException) -> S1ClientError:
        """Make ours of an error of a call."""
        if isinstance(error, InferenceServerException):
            message, status = error.message() or "", _status_named(error.status())
        else:
            message, status = error.details() or "", error.code()
        # gRPC says UNAVAILABLE for a server that cannot be reached as well as for one that refuses
        if status is grpc.StatusCode.UNAVAILABLE and not await self._is_live():
            return UnreachableError(self.url, message)
        return ServerError(_CODES.get(status) if status else None, message)

    async def _is_live(self) -> bool:
        try:
            return bool(await self._triton.is_server_live(client_timeout=_PROBE_TIMEOUT_S))
        except InferenceServerException:
            return False


async def _only(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request


def _status_named(name: str | None) -> grpc.StatusCode | None:
    """Find the status that ``tritonclient`` names ``StatusCode.UNAVAILABLE`` or so."""
    return next((status for status in grpc.StatusCode if str(status) == name), None)
