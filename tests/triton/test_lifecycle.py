"""Servers start, stop, fail and are killed, and leave nothing behind. Through the script, as a user runs it."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import tritonclient.grpc.aio as grpcclient

from s1_tts.serving.distribution import find_distribution
from s1_tts.serving.ports import Ports
from s1_tts.serving.server import ServerOptions, TritonServer
from tests.triton.callers import answer, collect, stream

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "serve.py"
LONG = "This sentence is said again and again. " * 40
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
        found = re.search(r"grpc (\d+)", self.ready_line)
        return f"127.0.0.1:{found[1] if found else 0}"

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


def run_to_failure(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


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


@pytest.fixture
def server_elsewhere(tmp_path: Path) -> Path:
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


async def test_stop_with_streams_running(checkpoint, server_elsewhere):
    """The callers are told, and everything is gone; a second server beside it does not notice.

    The second one is the program that ``--triton-server`` names.
    """
    elsewhere = ("--profile", "calls", "--triton-server", str(server_elsewhere))
    with serving(checkpoint) as script, serving(checkpoint, *elsewhere) as neighbour:
        assert neighbour.server().exe() == str(server_elsewhere)
        assert "noise" in script.first_line
        ports = r"http \d+, grpc \d+, metrics \d+"
        assert re.fullmatch(rf"ready on 127\.0\.0\.1: {ports}; try: s1-tts say .*\n", script.ready_line)
        remains = Remains.of(script)
        assert remains.shm_prefix != Remains.of(neighbour).shm_prefix
        client = grpcclient.InferenceServerClient(script.grpc_url)
        readers = [stream(client, text=LONG, max_frames=4000, seed=seed) for seed in range(3)]
        for reader in readers:
            await anext(reader)
        one_answer = asyncio.create_task(answer(client, text=LONG, max_frames=4000))
        script.process.send_signal(signal.SIGINT)

        async def read_on(reader):
            async for _ in reader:
                pass

        ends = await asyncio.gather(*map(read_on, readers), one_answer, return_exceptions=True)
        assert all("the server is shutting down" in str(end) for end in ends)
        assert await asyncio.to_thread(script.process.wait, STOP_LIMIT_S) == 0
        await client.close()
        remains.assert_gone()
        async with grpcclient.InferenceServerClient(neighbour.grpc_url) as other:
            assert (await collect(other, text="Hello.", seed=1, max_frames=6))[-1].is_last


@pytest.mark.parametrize("victim", ["server", "script"])
def test_kill_leaves_nothing(checkpoint, victim):
    with serving(checkpoint) as script:
        remains = Remains.of(script)
        if victim == "server":
            script.server().kill()
            assert script.process.wait(STOP_LIMIT_S) == 1
        else:
            os.kill(script.process.pid, signal.SIGKILL)
        remains.assert_gone()


def test_no_checkpoint_folder(tmp_path):
    failed = run_to_failure("--checkpoint", str(tmp_path / "nowhere"))
    assert failed.returncode == 1
    assert failed.stderr == f"error: checkpoint: no folder {tmp_path / 'nowhere'}\n"


def test_a_checkpoint_that_lacks_files_is_told_before_anything_starts(checkpoint, tmp_path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "lacking"))
    for name in ("model.pth", "codec.pth"):
        (folder / name).unlink()
    failed = run_to_failure("--checkpoint", str(folder))
    assert failed.returncode == 1
    assert failed.stderr == (
        f"error: checkpoint: {folder} lacks codec.pth, model.pth; a checkpoint's folder holds config.json, "
        "special_tokens.json, tokenizer.tiktoken, codec.pth, model.pth\n"
    )


def test_a_broken_checkpoint_is_told_in_the_models_own_words(checkpoint, tmp_path):
    folder, log = Path(shutil.copytree(checkpoint, tmp_path / "broken")), tmp_path / "log.txt"
    (folder / "config.json").write_text("{")
    failed = run_to_failure("--checkpoint", str(folder), *free_ports(), "--log", str(log))
    assert failed.returncode == 1
    assert re.search(r"^(error: )?s1_llama: .*config\.json", failed.stderr, re.MULTILINE), failed.stderr
    assert "Traceback" not in failed.stderr


def test_wrong_setting_is_told_before_anything_starts(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("S1_MAX_SLOT", "4")
    log = tmp_path / "log.txt"
    failed = run_to_failure("--checkpoint", str(checkpoint), *free_ports(), "--log", str(log))
    assert failed.returncode == 1
    assert failed.stderr == "error: unknown setting S1_MAX_SLOT; did you mean S1_MAX_SLOTS?\n"
    assert not log.exists()


def test_port_that_is_taken(checkpoint):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = run_to_failure("--checkpoint", str(checkpoint), "--grpc-port", str(port), "--http-port", "0")
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"error: grpc port {port} on 127.0.0.1 cannot be used: ")


async def test_a_server_that_aborts_while_it_starts_is_started_again(checkpoint: Path, tmp_path: Path) -> None:
    """As Triton's Python backend does at times on a busy machine."""
    log = tmp_path / "log.txt"
    options = ServerOptions(checkpoint, ROOT / "model_repository", ports=Ports(http=0, grpc=0, metrics=0), device="cpu")
    with log.open("w") as target, TritonServer(options, log=target) as server:
        first = psutil.Process(server.process_id)
        _wait_for(lambda: "loading: s1_llama" in log.read_text())
        first.send_signal(signal.SIGABRT)
        server.wait_until_ready(timeout_s=90)
        assert server.process_id != first.pid
        assert "it is started again" in log.read_text()
        async with grpcclient.InferenceServerClient(f"127.0.0.1:{server.ports.grpc}") as client:
            assert await answer(client, text="Hello.", max_frames=2)
    assert not psutil.pid_exists(server.process_id)


def _wait_for(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
