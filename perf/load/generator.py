"""Streams against a running server, many at once, each with a record of what came when.

Two ways to send: a *closed loop* keeps so many streams open and sends the next one when one ends; an *open loop* sends
at given times whatever the server does, as people do. The streams are bare ``tritonclient`` ones over gRPC on one
connection, so that nothing of our own client is in the figures.
"""

import asyncio
import random
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from perf.load.streams import ChunkArrival, Outcome, StreamRecord
from perf.load.texts import SampleText
from tritonclient.grpc import InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from s1_client.connection import CHANNEL_ARGUMENTS, RpcError, message_of, status_of
from s1_client.options import SpeechOptions, make_inputs
from s1_client.stream_call import STREAM_PARAMETERS
from s1_protocol.names import Field, ModelName, Parameter

PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class StreamRequest:
    """What one caller asks for, and how the caller behaves.

    Args:
        text: What to say.
        options: How; an option out of range is sent as it is.
        cancel_after_chunks: Leave after so many chunks, at least one; none: stay to the end.
        cancel_after_s: Leave so long after sending, even before the first chunk; none: stay to the end.
        pause_s: Wait so long after each chunk before reading on.
        caller: Who asks, as the gateway names callers; empty: nobody in particular.
    """

    text: SampleText
    options: SpeechOptions = field(default_factory=SpeechOptions)
    cancel_after_chunks: int | None = None
    cancel_after_s: float | None = None
    pause_s: float = 0.0
    caller: str = ""


class BrokenStreamError(Exception):
    """The chunks that came are not a whole stream."""


class LoadGenerator:
    """A connection to a server and a clock; all records of one generator tell times on that clock.

    Args:
        url: Host and gRPC port.
        timeout_s: A stream that takes longer has failed; none waits for ever.
    """

    def __init__(self, url: str, timeout_s: float | None = None) -> None:
        self._triton = InferenceServerClient(url, channel_args=CHANNEL_ARGUMENTS)
        self._timeout_s = timeout_s
        self._zero_s = time.perf_counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._triton.close()

    @property
    def now_s(self) -> float:
        """Time on the run's clock."""
        return time.perf_counter() - self._zero_s

    async def closed_loop(self, requests: Iterable[StreamRequest], concurrency: int) -> list[StreamRecord]:
        """Send all requests, so many at a time; records are in the requests' order."""
        return await closed_loop(self.stream, requests, concurrency)

    async def open_loop(self, requests: Sequence[StreamRequest], arrivals_s: Sequence[float]) -> list[StreamRecord]:
        """Send each request at its time, in seconds from now; records are in the requests' order."""
        started_s = self.now_s

        async def call_at(index: int, request: StreamRequest, due_s: float) -> StreamRecord:
            await asyncio.sleep(max(due_s - self.now_s, 0.0))
            return await self.stream(index, request, due_s)

        calls = zip(requests, arrivals_s, strict=True)
        return await asyncio.gather(
            *(call_at(index, request, started_s + at_s) for index, (request, at_s) in enumerate(calls))
        )

    async def stream(
        self,
        index: int,
        request: StreamRequest,
        due_s: float | None = None,
        begun: Callable[[], None] = lambda: None,
    ) -> StreamRecord:
        """Send one request and read its stream to its end.

        Args:
            index: Its number.
            request: What is asked for.
            due_s: When it should have been sent, on the run's clock; none: now.
            begun: Called when its first sound has come.
        """
        record = new_record(index, request, self.now_s, due_s)
        try:
            async with asyncio.timeout(request.cancel_after_s):
                record.outcome = await self._read(record, request, begun)
        except TimeoutError:
            record.outcome = Outcome.CANCELLED
        except (grpc.aio.AioRpcError, InferenceServerException) as error:
            record.ended_s = self.now_s
            record.outcome, record.error = await self._explain(error, record.num_chunks)
            return record
        except BrokenStreamError as error:
            record.error = str(error)
        record.ended_s = self.now_s
        return record

    async def _read(self, record: StreamRecord, request: StreamRequest, begun: Callable[[], None]) -> Outcome:
        """Read a stream into its record.

        Raises:
            BrokenStreamError: a chunk is missing or the last one did not come.
        """
        sent = {
            "model_name": ModelName.STREAM.value,
            "inputs": make_inputs(request.text.text, request.options),
            "parameters": STREAM_PARAMETERS,
        }
        headers = {Parameter.CALLER.value: request.caller} if request.caller else None
        responses = self._triton.stream_infer(_only(sent), stream_timeout=self._timeout_s, headers=headers)
        has_last = False
        try:
            async for result, error in responses:
                if error is not None:
                    raise error
                if has_last:
                    raise BrokenStreamError(f"a chunk came after the last one, {record.num_chunks - 1}")
                was_silent = not record.chunks
                has_last = self._note(record, result)
                if was_silent and record.chunks:
                    begun()
                if record.num_chunks == request.cancel_after_chunks:
                    return Outcome.CANCELLED
                await asyncio.sleep(request.pause_s)
        finally:
            responses.cancel()  # nothing to a call that has ended
        if not has_last:
            raise BrokenStreamError(f"the stream ended after {record.num_chunks} chunk(s) without its last one")
        return Outcome.OK

    async def _explain(self, error: RpcError, num_chunks: int) -> tuple[Outcome, str]:
        """Tell a refusal from a failure; gRPC says UNAVAILABLE for a server that is gone as well."""
        status = status_of(error)
        words = f"{status.name if status else 'no code'}: {message_of(error)}"
        if status is not grpc.StatusCode.UNAVAILABLE or num_chunks:
            return Outcome.FAILED, words
        try:
            is_live = await self._triton.is_server_live(client_timeout=PROBE_TIMEOUT_S)
        except InferenceServerException:
            is_live = False
        return (Outcome.REFUSED, words) if is_live else (Outcome.FAILED, f"no server answers: {words}")

    def _note(self, record: StreamRecord, result: InferResult) -> bool:
        """Put a chunk into the record; returns whether it is the last one."""
        at_s = self.now_s
        chunk_index = int(result.as_numpy(Field.CHUNK_INDEX.value).item())
        if chunk_index != record.num_chunks:
            raise BrokenStreamError(f"chunk {chunk_index} came instead of {record.num_chunks}")
        samples = result.as_numpy(Field.AUDIO.value)
        record.num_chunks += 1
        record.checksum = zlib.crc32(samples.tobytes(), record.checksum)
        if samples.size:
            record.chunks.append(ChunkArrival(at_s, samples.size))
        return bool(result.as_numpy(Field.IS_LAST.value).item())


def new_record(index: int, request: StreamRequest, now_s: float, due_s: float | None = None) -> StreamRecord:
    """The record of a request that is being sent."""
    return StreamRecord(
        index=index,
        language=request.text.language,
        length=request.text.length,
        num_characters=len(request.text.text),
        max_frames=request.options.max_frames or 0,
        service=request.options.service or "",
        arrived_s=now_s if due_s is None else due_s,
        sent_s=now_s,
    )


async def closed_loop(
    send: Callable[[int, StreamRequest], Awaitable[StreamRecord]], requests: Iterable[StreamRequest], concurrency: int
) -> list[StreamRecord]:
    """Send all requests, so many at a time, each when another one has ended.

    Args:
        send: Sends a request of a number and waits for its end.
        requests: What to send.
        concurrency: Callers, each of whom has one request at a time.

    Returns:
        Records in the requests' order.
    """
    waiting = iter(enumerate(requests))
    records: list[StreamRecord] = []

    async def call_on() -> None:
        for index, request in waiting:  # shared: each caller takes the next one
            records.append(await send(index, request))

    await asyncio.gather(*(call_on() for _ in range(concurrency)))
    return sorted(records, key=lambda record: record.index)


def poisson_arrivals(rate_per_s: float, count: int, seed: int) -> list[float]:
    """Times of so many arrivals, in seconds from the first one's wait on, with exponential waits between them.

    Args:
        rate_per_s: Arrivals a second in the mean.
        count: How many.
        seed: The same seed gives the same times.
    """
    source = random.Random(seed)
    arrivals_s = []
    at_s = 0.0
    for _ in range(count):
        at_s += source.expovariate(rate_per_s)
        arrivals_s.append(at_s)
    return arrivals_s


async def _only(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request
