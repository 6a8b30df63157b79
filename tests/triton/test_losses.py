"""A model's process that dies or stands still: every caller is told, and the server ends or comes again."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
import tritonclient.grpc.aio as grpcclient
from grpc.aio import AioRpcError
from tritonclient.utils import InferenceServerException

from s1_tts.serving.server import EXIT_MODEL_LOST, TritonServer
from tests.triton.callers import Chunk, answer, stream
from tests.triton.conftest import SharedServer

LONG = "This sentence is said again and again. " * 40
TOLD_LIMIT_S = 10  # 2 s where the machine is free; a caller that hangs waits for ever
LOADING = "loading: s1_llama"
STUCK_SEED = 667  # as in faulty/s1_llama.py, which only Triton can import


def model_process(server_id: int, model: str) -> psutil.Process:
    """The first process of a model."""
    children = psutil.Process(server_id).children(recursive=True)
    return next(child for child in children if any(f"/{model}/1/model.py" in part for part in child.cmdline()))


async def rest_of(reader: AsyncIterator[Chunk]) -> None:
    async for _ in reader:
        pass


async def assert_told(tasks: list[asyncio.Task[Any]]) -> None:
    done, waiting = await asyncio.wait(tasks, timeout=TOLD_LIMIT_S)
    assert not waiting
    assert all(isinstance(task.exception(), InferenceServerException | AioRpcError) for task in done)


async def lose(url: str, process: psutil.Process, number: signal.Signals) -> None:
    """Have callers of both kinds, lose a process, and see that all of them are told."""
    async with grpcclient.InferenceServerClient(url) as client:
        readers = [stream(client, text=LONG, max_frames=4000, seed=seed) for seed in range(3)]
        for reader in readers:
            await anext(reader)
        calls = [*map(rest_of, readers), answer(client, text=LONG, max_frames=4000)]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.1)
        process.send_signal(number)
        await assert_told(tasks)


@pytest.mark.ends_its_server
async def test_a_server_that_lost_a_model_ends(mortal: TritonServer) -> None:
    """The model's process is stopped: it is not dead, and does nothing."""
    ending = asyncio.create_task(asyncio.to_thread(mortal.outlive))
    await lose(f"127.0.0.1:{mortal.ports.grpc}", model_process(mortal.process_id, "s1_codec"), signal.SIGSTOP)
    assert (await ending).exit_code == EXIT_MODEL_LOST


@pytest.mark.ends_its_server
async def test_a_step_that_never_ends_ends_the_server(strained_server: TritonServer) -> None:
    """Its process lives, and so do all others of its threads. A caller who waits for a slot is told too."""
    ending = asyncio.create_task(asyncio.to_thread(strained_server.outlive))
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{strained_server.ports.grpc}") as client:
        reader = stream(client, text=LONG, max_frames=4000, seed=1)
        await anext(reader)
        stuck = stream(client, text=LONG, max_frames=4000, seed=STUCK_SEED, chunk_frames=8)
        for _ in range(3):  # after its third chunk nobody gets another one
            await anext(stuck)
        calls = [rest_of(reader), rest_of(stuck), answer(client, text=LONG, max_frames=4000)]
        await assert_told([asyncio.ensure_future(call) for call in calls])
    assert (await ending).exit_code == EXIT_MODEL_LOST


@pytest.mark.ends_its_server
async def test_a_server_that_aborts_while_it_starts_is_started_again(shared_mortal: SharedServer) -> None:
    """As Triton's Python backend does at times on a busy machine."""
    shared_mortal.close()
    aborted: list[int] = []

    def abort(server: TritonServer) -> None:
        aborted.append(server.process_id)
        while LOADING not in shared_mortal.log.read_text()[len(log_before) :]:
            time.sleep(0.05)
        os.kill(server.process_id, signal.SIGABRT)

    log_before = shared_mortal.log.read_text() if shared_mortal.log.exists() else ""
    server = shared_mortal.running(abort)
    assert aborted
    assert server.process_id not in aborted
    assert "it is started again" in shared_mortal.log.read_text()[len(log_before) :]
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{server.ports.grpc}") as client:
        assert await answer(client, text="Hello.", max_frames=2)
