"""Our image's ``serve`` as a process, and what can be seen of it from outside."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

STOP_TIMEOUT_S = 20.0

_READY = re.compile(
    r"ready: sagemaker (?P<sagemaker>\d+) on every address; "
    r"http (?P<http>\d+), grpc \d+, metrics (?P<metrics>\d+) on 127\.0\.0\.1 only\n"
)


@dataclass
class Served:
    """A container that is ready."""

    process: subprocess.Popen[str]
    output: str
    sagemaker_port: int
    http_port: int
    metrics_port: int

    def server(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in children if child.name() == "tritonserver")

    def stop(self) -> int:
        """Stop it as SageMaker does; gives the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def serving(model_folder: Path, environment: Mapping[str, str], log: Path) -> Iterator[Served]:
    """Start the container and wait until it is ready.

    Args:
        model_folder: What SageMaker makes of ``model.tar.gz``.
        environment: The container's, with all that it needs of this process's.
        log: Where the server's log goes.
    """
    command = [sys.executable, "-m", "s1_tts.serving.sagemaker_serve", "--model-folder", model_folder]
    ports = {"SAGEMAKER_BIND_TO_PORT": str(free_port())}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, env={**environment, **ports}, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout is not None
    try:
        output = ""
        while (ready := _READY.search(output)) is None:
            line = process.stdout.readline()
            if not line:
                pytest.fail(log.read_text()[-2000:])
            output += line
        yield Served(process, output, int(ready["sagemaker"]), int(ready["http"]), int(ready["metrics"]))
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(STOP_TIMEOUT_S)


def listening(process: psutil.Process) -> dict[int, str]:
    """Addresses that a process listens on, by port."""
    connections = process.net_connections(kind="tcp")
    return {at.laddr.port: at.laddr.ip for at in connections if at.status == psutil.CONN_LISTEN}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])
