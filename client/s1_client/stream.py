"""One stream of audio chunks, checked as it comes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import grpc
import numpy.typing as npt
from tritonclient.grpc import InferResult
from tritonclient.utils import InferenceServerException

from s1_client.audio import AudioChunk
from s1_client.errors import EarlyEndError, S1ClientError, StreamGapError, UnexpectedAnswerError
from s1_tts.protocol import Field, ModelName


class ResponseIterator(Protocol):
    """What ``tritonclient.grpc.aio`` returns from ``stream_infer``."""

    async def __anext__(self) -> tuple[InferResult | None, InferenceServerException | None]:
        """Wait for the next response or error."""

    def cancel(self) -> bool:
        """Stop the call; the server sees it."""


class SpeechStream:
    """Chunks of one utterance: ``async for chunk in stream``, once.

    Leaving the loop early, by ``break`` or an error, cancels the request on the server; so does :meth:`cancel`, after
    which the loop just ends.

    Args:
        start: Sends the request.
        explain: Turns an error of the call into ours.
    """

    def __init__(
        self,
        start: Callable[[], ResponseIterator],
        explain: Callable[[grpc.aio.AioRpcError | InferenceServerException], Awaitable[S1ClientError]],
    ) -> None:
        self._start = start
        self._explain = explain
        self._responses: ResponseIterator | None = None
        self._is_cancelled = False

    def cancel(self) -> None:
        """Stop the utterance; what was not yet read is lost."""
        self._is_cancelled = True
        if self._responses is not None:
            self._responses.cancel()

    def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """Send the request and read its chunks.

        Raises:
            ServerError: the server refused the request or failed.
            UnreachableError: no server answers.
            StreamError: the chunks have a gap or end early.
        """
        if self._responses is not None:
            raise RuntimeError("a stream is read once; ask the client for a new one")
        return self._read_chunks()

    async def _read_chunks(self) -> AsyncIterator[AudioChunk]:
        started_s = time.perf_counter()
        self._responses = self._start()
        num_chunks = 0
        is_complete = False
        try:
            while (result := await self._next_result(self._responses)) is not None:
                index = int(_element(result, Field.CHUNK_INDEX))
                if is_complete or index != num_chunks:
                    raise StreamGapError(None if is_complete else num_chunks, index)
                num_chunks += 1
                is_complete = bool(_element(result, Field.IS_LAST))
                yield AudioChunk(
                    index=index,
                    samples=read_tensor(result, Field.AUDIO, ModelName.STREAM).reshape(-1),
                    sample_rate_hz=int(_element(result, Field.SAMPLE_RATE)),
                    is_last=is_complete,
                    arrival_s=time.perf_counter() - started_s,
                )
            if not is_complete and not self._is_cancelled:
                raise EarlyEndError(num_chunks)
        finally:
            # a call that has ended takes this as nothing; one that goes on is stopped
            self._responses.cancel()

    async def _next_result(self, responses: ResponseIterator) -> InferResult | None:
        """Wait for the next response; None at the end of the stream."""
        if self._is_cancelled:
            return None
        try:
            result, error = await responses.__anext__()
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._is_cancelled and (task is None or not task.cancelling()):
                return None
            raise
        except grpc.aio.AioRpcError as rpc_error:
            raise await self._explain(rpc_error) from rpc_error
        if error is not None:
            raise await self._explain(error) from error
        return result


def read_tensor(result: InferResult, name: Field, model: ModelName) -> npt.NDArray[Any]:
    """Take a tensor out of an answer.

    Raises:
        UnexpectedAnswerError: it is not there.
    """
    tensor: npt.NDArray[Any] | None = result.as_numpy(name.value)
    if tensor is None:
        raise UnexpectedAnswerError(model, f"no {name.value}")
    return tensor


def _element(result: InferResult, name: Field) -> Any:
    tensor = read_tensor(result, name, ModelName.STREAM)
    if tensor.size != 1:
        raise UnexpectedAnswerError(ModelName.STREAM, f"{tensor.size} values of {name.value}")
    return tensor.reshape(-1)[0]
