"""A bare ``tritonserver`` with any models: what Triton does by itself, without our launcher around it."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from s1_tts.serving.distribution import find_distribution
from s1_tts.serving.ports import Ports
from tests.triton.callers import request_http

START_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class BareServer:
    """A server that is ready.

    Args:
        process: It.
        ports: Where it listens.
        log: File with its log.
    """

    process: psutil.Popen
    ports: Ports
    log: Path

    @property
    def url(self) -> str:
        """For gRPC."""
        return f"127.0.0.1:{self.ports.grpc}"

    def model_process(self, model: str) -> psutil.Process:
        """The process of a model of one instance."""
        children = self.process.children(recursive=True)
        return next(child for child in children if any(f"/{model}/1/model.py" in part for part in child.cmdline()))


def bare_command(folder: Path, models: Path, *flags: str) -> tuple[list[str], str]:
    """The command that starts a server, and how its regions of shared memory begin."""
    distribution = find_distribution()
    backends = distribution.lay_out_backends(folder / "backends")
    shm_prefix = f"s1_tts_bare_{os.getpid()}_{folder.name}_"
    command = [
        str(distribution.binary),
        f"--model-repository={models}",
        f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
        *([f"--backend-directory={backends}"] if backends else []),
        *flags,
    ]
    return command, shm_prefix


@contextlib.contextmanager
def bare_process(
    folder: Path, models: Path, *flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[psutil.Popen]:
    """Start a server; at the end all of it is killed, since its own way out takes a second for each model.

    Args:
        folder: For its log and its backend.
        models: The model repository.
        flags: Further arguments.
        environment: Variables besides ours.
    """
    command, shm_prefix = bare_command(folder, models, *flags)
    variables = find_distribution().environment({**os.environ, **(environment or {})})
    with (folder / "log.txt").open("w") as log:
        process = psutil.Popen(command, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for region in Path("/dev/shm").glob(f"{shm_prefix}*"):
            region.unlink()


def wait_for_answer(process: psutil.Popen, port: int, path: str, log: Path) -> None:
    """Wait until a server answers a path with 200."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while status_of(port, path) != 200:
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def status_of(port: int, path: str) -> int:
    """What a path is answered with; 0: nothing answers."""
    with contextlib.suppress(OSError):
        return request_http(port, "GET", path).status
    return 0


def listening_flags(ports: Ports) -> Sequence[str]:
    """Arguments that let a server listen on the loopback."""
    return (
        "--http-address=127.0.0.1",
        "--grpc-address=127.0.0.1",
        "--metrics-address=127.0.0.1",
        f"--http-port={ports.http}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-port={ports.metrics}",
    )
