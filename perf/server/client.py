"""What the client adds to the time to first audio of a bare ``tritonclient`` stream, on a real server.

    python -m perf client --checkpoint DIR [--device cpu] [--rounds 60]

Four callers take turns, one request at a time, so that a machine that slows down slows all alike: ``tritonclient``'s
asynchronous and synchronous streams, and ours. A time runs from the call to the first chunk as an array.
``added_*_ms`` is the median of the differences within a round; ``added_*_low_ms`` is the difference of the 10th
percentiles, which a busy machine moves less. The bound is 3 ms for each of them.
"""

import argparse
import asyncio
import queue
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
from perf.measurement import add_subject, recorder, values_in_turns
from perf.server.running import running_server, url_of

from s1_client import AsyncS1Client, S1Client, SpeechOptions
from s1_client.options import make_inputs
from s1_protocol.names import Field, ModelName
from s1_tts.serving.repository import Profile

TEXT = "Hello there."
OPTIONS = SpeechOptions(seed=1, max_frames=4, chunk_frames=2)
BOUND_MS = 3.0
WARM_UP_ROUNDS = 5


@dataclass
class ClientFigures:
    """Figures of the client; times in milliseconds, from the call to the first chunk of sound."""

    rounds: int
    bare_async_ms: float
    ours_async_ms: float
    added_async_ms: float
    bare_sync_ms: float
    ours_sync_ms: float
    added_sync_ms: float
    added_async_low_ms: float
    added_sync_low_ms: float
    is_within_bound: bool


class Stopwatch:
    """Milliseconds from its making to the first chunk."""

    def __init__(self) -> None:
        self._started_s = time.perf_counter()
        self.first_ms = 0.0

    def note_chunk(self) -> None:
        """Note that a chunk came."""
        self.first_ms = self.first_ms or (time.perf_counter() - self._started_s) * 1e3


async def bare_async_ms(client: tritonclient.grpc.aio.InferenceServerClient) -> float:
    """Time of ``tritonclient``'s asynchronous stream; it is read to its end."""

    async def request() -> AsyncIterator[dict[str, Any]]:
        yield {"model_name": ModelName.STREAM.value, "inputs": make_inputs(TEXT, OPTIONS)}

    watch = Stopwatch()
    async for result, error in client.stream_infer(request()):
        if error is not None:
            raise error
        _first_samples = result.as_numpy(Field.AUDIO.value)
        watch.note_chunk()
    return watch.first_ms


async def ours_async_ms(client: AsyncS1Client) -> float:
    """Time of our asynchronous stream."""
    watch = Stopwatch()
    async for _chunk in client.stream(TEXT, OPTIONS):
        watch.note_chunk()
    return watch.first_ms


def bare_sync_ms(client: tritonclient.grpc.InferenceServerClient) -> float:
    """Time of ``tritonclient``'s synchronous stream, opened for each request as ours is."""
    answers: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
    watch = Stopwatch()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    client.async_stream_infer(ModelName.STREAM.value, make_inputs(TEXT, OPTIONS))
    is_last = False
    while not is_last:
        result, error = answers.get()
        if error is not None:
            raise error
        _samples = result.as_numpy(Field.AUDIO.value)
        watch.note_chunk()
        is_last = bool(result.as_numpy(Field.IS_LAST.value).item())
    client.stop_stream()
    return watch.first_ms


def ours_sync_ms(client: S1Client) -> float:
    """Time of our synchronous stream."""
    watch = Stopwatch()
    for _chunk in client.stream(TEXT, OPTIONS):
        watch.note_chunk()
    return watch.first_ms


def take_turns(url: str, rounds: int) -> list[list[float]]:
    """Times of the four callers: bare and ours asynchronous, bare and ours synchronous."""
    with (
        tritonclient.grpc.InferenceServerClient(url) as bare_sync,
        S1Client(url) as ours_sync,
        asyncio.Runner() as runner,
    ):

        async def connect() -> tuple[tritonclient.grpc.aio.InferenceServerClient, AsyncS1Client]:
            return tritonclient.grpc.aio.InferenceServerClient(url), AsyncS1Client(url)

        bare, ours = runner.run(connect())
        calls = [
            lambda: runner.run(bare_async_ms(bare)),
            lambda: runner.run(ours_async_ms(ours)),
            lambda: bare_sync_ms(bare_sync),
            lambda: ours_sync_ms(ours_sync),
        ]
        times = values_in_turns(calls, rounds, warm_up=WARM_UP_ROUNDS)
        runner.run(ours.close())
        runner.run(bare.close())
    return times


def measure(arguments: argparse.Namespace) -> ClientFigures:
    """Start a server and run all measurements."""
    with running_server(arguments.checkpoint, arguments.device, profile=Profile.CALLS) as server:
        times = np.array(take_turns(url_of(server), arguments.rounds))
    bare_async, ours_async, bare_sync, ours_sync = times
    low = np.percentile(times, 10, axis=1)
    added = [float(np.median(ours_async - bare_async)), float(np.median(ours_sync - bare_sync))]
    added_low = [float(low[1] - low[0]), float(low[3] - low[2])]
    return ClientFigures(
        rounds=arguments.rounds,
        bare_async_ms=float(np.median(bare_async)),
        ours_async_ms=float(np.median(ours_async)),
        added_async_ms=added[0],
        bare_sync_ms=float(np.median(bare_sync)),
        ours_sync_ms=float(np.median(ours_sync)),
        added_sync_ms=added[1],
        added_async_low_ms=added_low[0],
        added_sync_low_ms=added_low[1],
        is_within_bound=max(added + added_low) < BOUND_MS,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser)
    parser.add_argument("--rounds", type=int, default=60)


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    recorder("client", arguments).print_and_record(arguments.checkpoint.name, measure(arguments))
