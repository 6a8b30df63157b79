"""One text on its way: sent, sent again where that is safe, and its answer checked as it comes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import numpy.typing as npt
from tritonclient.grpc import InferResult

from s1_client.audio import AudioChunk, Speech
from s1_client.believing import SoundCheck
from s1_client.connection import RPC_ERRORS, Connection, RpcError, status_of
from s1_client.errors import (
    CutShortError,
    DeadlineError,
    EarlyEndError,
    StallError,
    StreamGapError,
    UnexpectedAnswerError,
)
from s1_client.options import SpeechOptions, make_inputs, make_tensors
from s1_client.policy import Delivery, Retry
from s1_client.servers import Server, ServerPool
from s1_client.stream_call import StreamCall, StreamResult, Tensors
from s1_client.waiting import WaitedTooLongError, WaitLimit
from s1_protocol.names import Field, ModelName


@dataclass(eq=False)
class Utterance:
    """A text on its way.

    Args:
        servers: Where it may go.
        text: What to say.
        options: How to say it.
        delivery: Its limits in time.
        retry: When it is sent again.
        headers: Sent with it, over those of every request.
        started_s: When it was first sent, on ``time.perf_counter``.
        num_failed: Attempts that failed.
        num_sent: Times it has been sent.
        tried: Servers that were asked in this attempt.
        prepared: Its tensors, where they were made before; None: they were not.
    """

    servers: ServerPool
    text: str
    options: SpeechOptions
    delivery: Delivery
    retry: Retry
    headers: Mapping[str, str] = field(default_factory=dict)
    started_s: float = field(default=0.0, init=False)
    num_failed: int = field(default=0, init=False)
    num_sent: int = field(default=0, init=False)
    tried: set[Server] = field(default_factory=set, init=False)
    prepared: Tensors | None = field(default=None, init=False)

    async def answer(self) -> Speech:
        """Send the request to the model that gives one answer, and wait for it.

        Raises:
            OptionError: an option cannot be sent.
            DeadlineError: the deadline passed.
            ServerError: the server refused the request or failed.
            UnreachableError: no server answers.
            CutShortError: not all of the text was said, though the request set no limit.
        """
        self.started_s = time.perf_counter()
        model = ModelName.ONE_ANSWER
        while True:
            server = self.servers.choose(self.tried)
            try:
                async with self.servers.using(server) as connection:
                    inputs = make_inputs(self.text, self._options_left())
                    result = await connection.infer(model, inputs, self._left_s(), self.headers)
            except RPC_ERRORS as error:
                await self._wait_or_raise(error, server, is_safe=True)
            else:
                server.succeeded()
                sample_rate_hz = _element(result, Field.SAMPLE_RATE, model)
                samples = SoundCheck(model).take(read_tensor(result, Field.AUDIO, model), sample_rate_hz)
                speech = Speech(samples, sample_rate_hz, is_cut=_is_cut(result))
                if speech.is_cut:
                    self._check_cut(speech.duration_s)
                return speech

    async def chunks(self) -> AsyncGenerator[AudioChunk]:
        """Send the request to the model that streams, and read its chunks; closing this stops the server.

        Raises:
            DeadlineError: the deadline passed.
            ServerError: the server refused the request or failed.
            UnreachableError: no server answers.
            StreamError: the chunks stall, have a gap or end early.
            CutShortError: not all of the text was said, though the request set no limit; comes after the last chunk.
        """
        self.started_s = time.perf_counter()
        num_chunks = 0
        while True:
            server = self.servers.choose(self.tried)
            try:
                async with self.servers.using(server) as connection, aclosing(self._attempt(connection)) as chunks:
                    async for chunk in chunks:
                        server.succeeded()
                        num_chunks += 1
                        yield chunk
            except RPC_ERRORS as error:
                await self._wait_or_raise(error, server, is_safe=num_chunks == 0)
            except StallError:
                server.connection.renew()  # this one may be dead without a word
                if not num_chunks:
                    server.failed()
                raise
            else:
                return

    async def _attempt(self, connection: Connection) -> AsyncGenerator[AudioChunk]:
        num_chunks = 0
        check = SoundCheck(ModelName.STREAM)
        is_complete = has_ended = False
        limit = WaitLimit(self.delivery.stall_timeout_s)
        responses = connection.stream(self._tensors(), self._left_s(), headers=self.headers)
        try:
            while (result := await self._next(responses, limit, num_chunks, is_complete=is_complete)) is not None:
                index = int(_element(result, Field.CHUNK_INDEX))
                if is_complete or index != num_chunks:
                    raise StreamGapError(None if is_complete else num_chunks, index)
                num_chunks += 1
                is_complete = bool(_element(result, Field.IS_LAST))
                sample_rate_hz = int(_element(result, Field.SAMPLE_RATE))
                is_cut = _is_cut(result)
                yield AudioChunk(
                    index=index,
                    samples=check.take(read_tensor(result, Field.AUDIO, ModelName.STREAM), sample_rate_hz),
                    sample_rate_hz=sample_rate_hz,
                    is_last=is_complete,
                    arrival_s=time.perf_counter() - self.started_s,
                    is_cut=is_cut,
                )
                if is_cut:
                    self._check_cut(check.duration_s)
            has_ended = True
            if not is_complete:
                raise EarlyEndError(num_chunks)
        finally:
            limit.close()
            if is_complete and not has_ended:  # a caller that leaves at the last chunk
                await responses.let_end()
            # a call that has ended takes this as nothing; one that goes on is stopped
            responses.cancel()

    def _check_cut(self, duration_s: float) -> None:
        if not self.options.max_frames:
            raise CutShortError(duration_s)

    async def _next(
        self, responses: StreamCall, limit: WaitLimit, num_chunks: int, *, is_complete: bool
    ) -> StreamResult | None:
        """Wait for the next response; None at the end of the stream."""
        try:
            with limit:
                return await (responses.read_end() if is_complete else responses.read())
        except WaitedTooLongError as stalled:
            raise StallError(num_chunks, stalled.limit_s) from stalled

    async def _wait_or_raise(self, error: RpcError, server: Server, *, is_safe: bool) -> None:
        """Wait until the request may be sent again, which is at once where another server is left.

        Raises:
            S1ClientError: it may not: the error in our words.
        """
        status = status_of(error)
        if status is grpc.StatusCode.DEADLINE_EXCEEDED and self.delivery.deadline_s is not None:
            server.connection.renew()
            raise DeadlineError(self.delivery.deadline_s) from error
        is_gone = await server.connection.is_broken_by(error)
        if is_gone:
            server.failed()
        else:
            server.succeeded()
        self.tried.add(server)
        has_other = self.servers.has_other(self.tried)
        if is_gone or not has_other:
            self.num_failed += 1
        delay_s = 0.0 if has_other else self.retry.delay_s(self.num_failed)
        if (
            not is_safe
            or not (is_gone or status is grpc.StatusCode.UNAVAILABLE)
            or self.num_failed >= self.retry.max_attempts
            or self._is_late_in(delay_s)
        ):
            raise await server.connection.explain(error) from error
        if not has_other:
            self.tried.clear()
            await asyncio.sleep(delay_s)

    def _is_late_in(self, delay_s: float) -> bool:
        """Whether one of the deadlines will have passed by then."""
        then_s = time.perf_counter() - self.started_s + delay_s
        first_audio_s = self.options.deadline_ms / 1000 if self.options.deadline_ms else None
        return any(limit_s is not None and then_s >= limit_s for limit_s in (self.delivery.deadline_s, first_audio_s))

    def _left_s(self) -> float | None:
        if self.delivery.deadline_s is None:
            return None
        return max(self.delivery.deadline_s - (time.perf_counter() - self.started_s), 0.0)

    def prepare(self) -> None:
        """Make the tensors of the request now, so that what cannot be sent raises here.

        Raises:
            OptionError: an option cannot be sent.
        """
        self.prepared = make_tensors(self.text, self.options)

    def _tensors(self) -> Tensors:
        options = self._options_left()
        if options is self.options and self.prepared is not None:
            return self.prepared
        return make_tensors(self.text, options)

    def _options_left(self) -> SpeechOptions:
        """Options of the next attempt: what has passed of the server's deadline is taken off."""
        options = self.options
        self.num_sent += 1
        if options.deadline_ms and self.num_sent > 1:
            spent_ms = int((time.perf_counter() - self.started_s) * 1000)
            options = replace(options, deadline_ms=max(options.deadline_ms - spent_ms, 1))
        return options


def read_tensor(result: InferResult | StreamResult, name: Field, model: ModelName) -> npt.NDArray[Any]:
    """Take a tensor out of an answer.

    Raises:
        UnexpectedAnswerError: it is not there.
    """
    tensor: npt.NDArray[Any] | None = result.as_numpy(name.value)
    if tensor is None:
        raise UnexpectedAnswerError(model, f"no {name.value}")
    return tensor


def _is_cut(result: InferResult | StreamResult) -> bool:
    """Whether the text was not said whole; servers of earlier versions do not tell."""
    tensor = result.as_numpy(Field.IS_CUT.value)
    return tensor is not None and bool(tensor.reshape(-1)[0])


def _element(result: InferResult | StreamResult, name: Field, model: ModelName = ModelName.STREAM) -> Any:
    tensor = read_tensor(result, name, model)
    if tensor.size != 1:
        raise UnexpectedAnswerError(model, f"{tensor.size} values of {name.value}")
    return tensor.reshape(-1)[0].item()
