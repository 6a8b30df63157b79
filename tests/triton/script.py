"""``serve.py`` as a user runs it: its processes, its ports, and what must be gone after it."""

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.triton.callers import request_http

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "serve.py"
STOP_LIMIT_S = 60
"""Only so that a test that fails comes to an end."""


@dataclass
class Script:
    """``serve.py`` as a process, and what can be seen of its server from outside."""

    process: subprocess.Popen[str]
    first_line: str
    ready_line: str

    @property
    def grpc_url(self) -> str:
        return f"127.0.0.1:{self.port('grpc')}"

    def port(self, name: str) -> int:
        found = re.search(rf"{name} (\d+)", self.ready_line)
        return int(found[1]) if found else 0

    def num_active(self) -> float:
        """Streams that have a slot."""
        page = request_http(self.port("metrics"), "GET", "/metrics").body.decode()
        return sum(map(float, re.findall(r"^s1_lm_active_sequences\{.*\} (\S+)$", page, re.MULTILINE)))

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def server(self) -> psutil.Process:
        return next(child for child in self.descendants() if "tritonserver" in child.name())

    def folder(self) -> Path:
        """The temporary folder made for the server."""
        argument = next(part for part in self.server().cmdline() if part.startswith("--model-repository="))
        return Path(argument.partition("=")[2]).parent

    def shm_prefix(self) -> str:
        return next(part.rpartition("=")[2] for part in self.server().cmdline() if "shm-region-prefix-name" in part)


@contextlib.contextmanager
def serving(checkpoint: Path, *arguments: str) -> Iterator[Script]:
    command = [sys.executable, str(SCRIPT), "--checkpoint", str(checkpoint), "--device", "cpu", *free_ports()]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        try:
            first_line, ready_line = process.stdout.readline(), process.stdout.readline()
            if not ready_line:
                errors.seek(0)
                pytest.fail(errors.read())
            yield Script(process, first_line, ready_line)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(STOP_LIMIT_S * 2)


def free_ports() -> list[str]:
    return [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]


def is_running(process: psutil.Process) -> bool:
    """Dead ones that nobody has waited for do not count: whether the system's first process does is its own affair."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@dataclass
class Remains:
    """What must be gone after a server."""

    processes: list[psutil.Process]
    folder: Path
    shm_prefix: str

    @classmethod
    def of(cls, script: Script) -> "Remains":
        return cls(script.descendants(), script.folder(), script.shm_prefix())

    def assert_gone(self, timeout_s: float = STOP_LIMIT_S) -> None:
        deadline_s = time.monotonic() + timeout_s
        while any(map(is_running, self.processes)) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert [process for process in self.processes if is_running(process)] == []
        assert not self.folder.exists()
        assert list(Path("/dev/shm").glob(f"{self.shm_prefix}*")) == []
