"""What the client adds to the time to first audio of a bare ``tritonclient`` stream, on a real server.

    python -m perf client --checkpoint DIR [--device cpu] [--rounds 60]

Four callers take turns, one request at a time, so that whatever slows the machine slows all alike: ``tritonclient``'s
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
import numpy.typing as npt
import tritonclient.grpc
import tritonclient.grpc.aio
from perf.measurement import add_subject, recorder
from perf.server.running import running_server, url_of

from s1_client import AsyncS1Client, S1Client, SpeechOptions
from s1_client.options import make_inputs
from s1_protocol.names import Field, ModelName
from s1_tts.serving.repository import Profile

TEXT = "Hello there."
OPTIONS = SpeechOptions(seed=1, max_frames=4, chunk_frames=2)
BOUND_MS = 3.0


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


async def bare_async_ms(client: tritonclient.grpc.aio.InferenceServerClient) -> float:
    """Time of ``tritonclient``'s asynchronous stream; it is read to its end."""

    async def request() -> AsyncIterator[dict[str, Any]]:
        yield {"model_name": ModelName.STREAM.value, "inputs": make_inputs(TEXT, OPTIONS)}

    started_s = time.perf_counter()
    first_s = 0.0
    async for result, error in client.stream_infer(request()):
        if error is not None:
            raise error
        _first_samples = result.as_numpy(Field.AUDIO.value)
        first_s = first_s or time.perf_counter() - started_s
    return first_s * 1e3


async def ours_async_ms(client: AsyncS1Client) -> float:
    """Time of our asynchronous stream."""
    started_s = time.perf_counter()
    first_s = 0.0
    async for _chunk in client.stream(TEXT, OPTIONS):
        first_s = first_s or time.perf_counter() - started_s
    return first_s * 1e3


def bare_sync_ms(client: tritonclient.grpc.InferenceServerClient) -> float:
    """Time of ``tritonclient``'s synchronous stream, opened for each request as ours is."""
    answers: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
    started_s = time.perf_counter()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    client.async_stream_infer(ModelName.STREAM.value, make_inputs(TEXT, OPTIONS))
    first_s = 0.0
    is_last = False
    while not is_last:
        result, error = answers.get()
        if error is not None:
            raise error
        _samples = result.as_numpy(Field.AUDIO.value)
        first_s = first_s or time.perf_counter() - started_s
        is_last = bool(result.as_numpy(Field.IS_LAST.value).item())
    client.stop_stream()
    return first_s * 1e3


def ours_sync_ms(client: S1Client) -> float:
    """Time of our synchronous stream."""
    started_s = time.perf_counter()
    first_s = 0.0
    for _chunk in client.stream(TEXT, OPTIONS):
        first_s = first_s or time.perf_counter() - started_s
    return first_s * 1e3


async def take_turns(url: str, rounds: int) -> npt.NDArray[np.float64]:
    """Times of the four callers, ``[rounds, 4]``: bare and ours asynchronous, bare and ours synchronous."""
    times = []
    with tritonclient.grpc.InferenceServerClient(url) as bare_sync, S1Client(url) as ours_sync:
        async with tritonclient.grpc.aio.InferenceServerClient(url) as bare, AsyncS1Client(url) as ours:
            for index in range(rounds + 5):  # the first ones warm up
                # who goes first changes from round to round
                if index % 2:
                    bare_ms, ours_ms = await bare_async_ms(bare), await ours_async_ms(ours)
                else:
                    ours_ms, bare_ms = await ours_async_ms(ours), await bare_async_ms(bare)
                pair = (bare_sync_ms, bare_sync), (ours_sync_ms, ours_sync)
                sync = [await asyncio.to_thread(*call) for call in (pair if index % 2 else pair[::-1])]
                times.append([bare_ms, ours_ms, *(sync if index % 2 else sync[::-1])])
    return np.array(times[5:])


def measure(arguments: argparse.Namespace) -> ClientFigures:
    """Start a server and run all measurements."""
    with running_server(arguments.checkpoint, arguments.device, profile=Profile.CALLS) as server:
        times = asyncio.run(take_turns(url_of(server), arguments.rounds))
    bare_async, ours_async, bare_sync, ours_sync = times.T
    added_async_ms = float(np.median(ours_async - bare_async))
    added_sync_ms = float(np.median(ours_sync - bare_sync))
    low = np.percentile(times, 10, axis=0)
    added_async_low_ms, added_sync_low_ms = float(low[1] - low[0]), float(low[3] - low[2])
    return ClientFigures(
        rounds=arguments.rounds,
        bare_async_ms=float(np.median(bare_async)),
        ours_async_ms=float(np.median(ours_async)),
        added_async_ms=added_async_ms,
        bare_sync_ms=float(np.median(bare_sync)),
        ours_sync_ms=float(np.median(ours_sync)),
        added_sync_ms=added_sync_ms,
        added_async_low_ms=added_async_low_ms,
        added_sync_low_ms=added_sync_low_ms,
        is_within_bound=max(added_async_ms, added_sync_ms, added_async_low_ms, added_sync_low_ms) < BOUND_MS,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser)
    parser.add_argument("--rounds", type=int, default=60)


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    recorder("client", arguments).print_and_record(arguments.checkpoint.name, measure(arguments))
