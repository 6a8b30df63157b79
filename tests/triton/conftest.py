"""A real server, started once for the whole folder."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import tritonclient.grpc.aio as grpcclient

from s1_training.development.checkpoint import write_dev_checkpoint
from s1_tts.serving.ports import Ports
from s1_tts.serving.server import ServerOptions, TritonServer

HERE = Path(__file__).resolve().parent
MODEL_REPOSITORY = HERE.parent.parent / "model_repository"

FREE_PORTS = Ports(http=0, grpc=0, metrics=0)
EXACT = {"S1_DTYPE": "float32"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.triton)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    write_dev_checkpoint(folder, "tiny", seed=0)
    return folder


@pytest.fixture(scope="session")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server as it is committed, with the SageMaker endpoint."""
    ports = Ports(http=0, grpc=0, metrics=0, sagemaker=0)
    options = ServerOptions(checkpoint, MODEL_REPOSITORY, ports=ports, device="cpu", settings=EXACT)
    with started(options, tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


@pytest.fixture(scope="session")
def strained_server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server with two slots, one waiting place and models that fail when asked to."""
    folder = tmp_path_factory.mktemp("strained")
    repository = folder / "models"
    shutil.copytree(MODEL_REPOSITORY, repository, ignore=shutil.ignore_patterns("__pycache__"))
    for model in ("s1_llama", "s1_codec"):
        shutil.copy(HERE / "faulty" / f"{model}.py", repository / model / "1" / "model.py")
    settings = {**EXACT, "S1_MAX_SLOTS": "2", "S1_MAX_QUEUE": "1", "S1_CALL_SLOTS": "0"}
    options = ServerOptions(checkpoint, repository, ports=FREE_PORTS, device="cpu", settings=settings)
    with started(options, folder / "log.txt") as running:
        yield running


@pytest_asyncio.fixture
async def client(server: TritonServer) -> AsyncIterator[grpcclient.InferenceServerClient]:
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{server.ports.grpc}") as connected:
        yield connected


@pytest_asyncio.fixture
async def strained_client(strained_server: TritonServer) -> AsyncIterator[grpcclient.InferenceServerClient]:
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{strained_server.ports.grpc}") as connected:
        yield connected


def started(options: ServerOptions, log: Path) -> TritonServer:
    """A server that is ready; its log is kept for the failure report."""
    server = TritonServer(options, log=log.open("w", encoding="utf-8"))
    try:
        server.wait_until_ready(timeout_s=90)
    except BaseException:
        server.stop()
        raise
    return server
