"""Real servers, each started once for the whole folder, and again only after a test has ended it."""

import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
import tritonclient.grpc.aio as grpcclient

from s1_training.development.checkpoint import write_dev_checkpoint
from s1_tts.serving.distribution import find_distribution
from s1_tts.serving.ports import Ports
from s1_tts.serving.server import ServerOptions, TritonServer

HERE = Path(__file__).resolve().parent
MODEL_REPOSITORY = HERE.parent.parent / "model_repository"
DEMO_VOICE = HERE.parent.parent / "checkpoints" / "demo-voice"

FREE_PORTS = Ports(http=0, grpc=0, metrics=0)
FREE_PORTS_OF_ALL = replace(FREE_PORTS, sagemaker=0)
"""With the SageMaker endpoint's."""
EXACT = {"S1_DTYPE": "float32"}
SHORT_TIMES = (
    "--grpc-keepalive-time=1000",
    "--grpc-keepalive-timeout=1000",
    "--grpc-max-connection-age=4000",
    "--grpc-max-connection-age-grace=4000",
)
"""Of :func:`mortal`: what takes minutes elsewhere is over in seconds."""


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


HAS_IPV6 = _has_ipv6()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that end a server which others share come last, so that it is seldom started again."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.triton)
    items.sort(key=lambda item: item.get_closest_marker("ends_its_server") is not None)


@dataclass(eq=False)
class SharedServer:
    """A server that many tests use, and that some of them end: the next one finds it started again.

    Args:
        options: What to serve.
        log: Where its log goes.
    """

    options: ServerOptions
    log: Path
    _server: TritonServer | None = None

    def running(self, while_it_starts: Callable[[TritonServer], None] = lambda _: None) -> TritonServer:
        """The server, which is ready; after its end another one on its ports.

        Args:
            while_it_starts: What happens to it then, if it has to be started.
        """
        if self._server is not None and self._server.wait(0) is not None:
            self.close()
            self.options = replace(self.options, ports=self._server.ports)
            self._server = None
        if self._server is None:
            self._server = started(self.options, self.log, while_it_starts)
        return self._server

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    write_dev_checkpoint(folder, "tiny", seed=0)
    return folder


@pytest.fixture(scope="session")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server as it is committed, with the SageMaker endpoint."""
    options = ServerOptions(checkpoint, MODEL_REPOSITORY, ports=FREE_PORTS_OF_ALL, device="cpu", settings=EXACT)
    with started(options, tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


@pytest.fixture(scope="session")
def shared_strained_server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    folder = tmp_path_factory.mktemp("strained")
    repository = copied_repository(folder / "models", s1_llama="s1_llama.py", s1_codec="s1_codec.py")
    settings = {**EXACT, "S1_MAX_SLOTS": "2", "S1_MAX_QUEUE": "1", "S1_CALL_SLOTS": "0"}
    options = ServerOptions(checkpoint, repository, ports=FREE_PORTS, device="cpu", settings=settings)
    with closing(SharedServer(options, folder / "log.txt")) as shared:
        yield shared


@pytest.fixture
def strained_server(shared_strained_server: SharedServer) -> TritonServer:
    """A server with two slots, one waiting place and models that fail when asked to; a test may end it."""
    return shared_strained_server.running()


@pytest.fixture(scope="session")
def shared_mortal(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    folder = tmp_path_factory.mktemp("mortal")
    options = ServerOptions(
        checkpoint,
        copied_repository(folder / "models"),
        host="::" if HAS_IPV6 else "0.0.0.0",
        ports=FREE_PORTS_OF_ALL,
        device="cpu",
        settings=EXACT,
        flags=SHORT_TIMES,
    )
    with closing(SharedServer(options, folder / "log.txt")) as shared:
        yield shared


@pytest.fixture
def mortal(shared_mortal: SharedServer) -> TritonServer:
    """A server on every address of the machine, with short times for its gRPC connections; a test may end it."""
    return shared_mortal.running()


@pytest.fixture(scope="session")
def listened_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server with the demo voice, or the checkpoint that S1_CHECKPOINT names."""
    checkpoint = Path(os.environ.get("S1_CHECKPOINT") or DEMO_VOICE)
    settings = {**EXACT, "S1_VOICES": str(tmp_path_factory.mktemp("voices"))}
    host = "::1" if HAS_IPV6 else "127.0.0.1"
    options = ServerOptions(checkpoint, MODEL_REPOSITORY, host=host, ports=FREE_PORTS_OF_ALL, settings=settings)
    with started(options, tmp_path_factory.mktemp("listened") / "log.txt") as running:
        yield running


@pytest.fixture
def triton_elsewhere(tmp_path: Path) -> Path:
    """A ``tritonserver`` laid out as in NVIDIA's image, in a place where nobody looks by himself."""
    found = find_distribution()
    root = tmp_path / "tritonserver"
    for name in ("bin", "lib"):
        (root / name).mkdir(parents=True)
    shutil.copy2(found.binary, root / "bin" / "tritonserver")
    found.lay_out_backends(root / "backends")
    for folder in found.library_folders:
        for library in folder.glob("*.so*"):
            (root / "lib" / library.name).symlink_to(library)
    return root / "bin" / "tritonserver"


@pytest_asyncio.fixture
async def client(server: TritonServer) -> AsyncIterator[grpcclient.InferenceServerClient]:
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{server.ports.grpc}") as connected:
        yield connected


@pytest_asyncio.fixture
async def strained_client(strained_server: TritonServer) -> AsyncIterator[grpcclient.InferenceServerClient]:
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{strained_server.ports.grpc}") as connected:
        yield connected


def copied_repository(target: Path, **faulty: str) -> Path:
    """A copy of the model repository, with two processes of ``s1_mini`` instead of eight: it starts the sooner.

    Args:
        target: Folder to make.
        faulty: By model, the file in ``faulty/`` that takes its place.
    """
    shutil.copytree(MODEL_REPOSITORY, target, ignore=shutil.ignore_patterns("__pycache__"))
    for model, file in faulty.items():
        shutil.copy(HERE / "faulty" / file, target / model / "1" / "model.py")
    config = target / "s1_mini" / "config.pbtxt"
    committed = config.read_text(encoding="utf-8")
    assert "instance_group [ { count: 8 " in committed
    config.write_text(
        committed.replace("instance_group [ { count: 8 ", "instance_group [ { count: 2 "), encoding="utf-8"
    )
    return target


def started(
    options: ServerOptions, log: Path, while_it_starts: Callable[[TritonServer], None] = lambda _: None
) -> TritonServer:
    """A server that is ready; its log is kept for the failure report."""
    server = TritonServer(options, log=log.open("a", encoding="utf-8"))
    try:
        while_it_starts(server)
        server.wait_until_ready(timeout_s=90)
    except BaseException:
        server.stop()
        raise
    return server
