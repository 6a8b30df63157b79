"""A model's process that dies or stands still: every caller is told, and the server ends or comes again."""

import asyncio
import shutil
import signal
from collections.abc import Callable

import psutil
import pytest
import tritonclient.grpc.aio as grpcclient
from grpc.aio import AioRpcError
from tritonclient.utils import InferenceServerException

from tests.triton.callers import answer, collect, stream
from tests.triton.conftest import HERE, MODEL_REPOSITORY
from tests.triton.test_lifecycle import STOP_LIMIT_S, Remains, Script, serving

LONG = "This sentence is said again and again. " * 40
TOLD_LIMIT_S = 10  # 2 s where the machine is free; a caller that hangs waits for ever
EXIT_MODEL_LOST = 70
STUCK_SEED = 667  # as in faulty/s1_llama.py, which only Triton can import


def model_process(script: Script, model: str) -> psutil.Process:
    """The first process of a model."""
    return next(
        child for child in script.descendants() if any(f"/{model}/1/model.py" in part for part in child.cmdline())
    )


async def lose(script: Script, loss: Callable[[], None]) -> None:
    """Have callers of both kinds, lose something, and see that all of them are told."""
    async with grpcclient.InferenceServerClient(script.grpc_url) as client:
        readers = [stream(client, text=LONG, max_frames=4000, seed=seed) for seed in range(3)]
        for reader in readers:
            await anext(reader)

        async def read_on(reader):
            async for _ in reader:
                pass

        calls = [*map(read_on, readers), answer(client, text=LONG, max_frames=4000)]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.1)
        loss()
        done, waiting = await asyncio.wait(tasks, timeout=TOLD_LIMIT_S)
        assert not waiting
        assert all(isinstance(task.exception(), InferenceServerException | AioRpcError) for task in done)


@pytest.mark.parametrize("model", ["s1_llama"])
async def test_a_server_that_lost_a_model_ends_with_a_code_of_its_own(checkpoint, model):
    with serving(checkpoint) as script:
        remains = Remains.of(script)
        await lose(script, model_process(script, model).kill)
        assert await asyncio.to_thread(script.process.wait, STOP_LIMIT_S) == EXIT_MODEL_LOST
        remains.assert_gone()


async def test_a_step_that_never_ends_ends_the_server(checkpoint, tmp_path):
    """Its process lives, and so do all others of its threads."""
    repository = tmp_path / "models"
    shutil.copytree(MODEL_REPOSITORY, repository, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "faulty" / "s1_llama.py", repository / "s1_llama" / "1" / "model.py")
    with serving(checkpoint, "--model-repository", str(repository)) as script:
        async with grpcclient.InferenceServerClient(script.grpc_url) as client:
            stuck = []

            def get_stuck():
                stuck.append(asyncio.ensure_future(collect(client, text=LONG, seed=STUCK_SEED, chunk_frames=8)))

            await lose(script, get_stuck)
            with pytest.raises((InferenceServerException, AioRpcError)):
                await stuck[0]
        assert await asyncio.to_thread(script.process.wait, STOP_LIMIT_S) == EXIT_MODEL_LOST


async def test_a_server_that_is_to_restart_comes_again_after_each_loss(checkpoint):
    """One process of each model is lost, killed or stopped; the ports stay the same."""
    with serving(checkpoint, "--restart") as script:
        for model, number in (("s1_codec", signal.SIGSTOP), ("s1_mini", signal.SIGKILL), ("s1_voice", signal.SIGKILL)):
            process = model_process(script, model)
            await lose(script, lambda process=process, number=number: process.send_signal(number))
            assert script.process.stdout is not None
            assert await asyncio.to_thread(script.process.stdout.readline) == script.ready_line
            async with grpcclient.InferenceServerClient(script.grpc_url) as client:
                assert (await collect(client, text="Hello.", seed=1, max_frames=6))[-1].is_last
