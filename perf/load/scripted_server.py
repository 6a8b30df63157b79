"""A real server under test: started through its script, watched from outside, stopped as an operator would."""

import asyncio
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil
from perf.conditions import ROOT
from perf.errors import MeasurementError

T = TypeVar("T")

SCRIPT = ROOT / "scripts" / "serve.py"
SHARED_MEMORY = Path("/dev/shm")
STOP_LIMIT_S = 20.0
POLL_S = 0.1

LAST_LINES = 40
"""Of a log, in an error message: a stack trace with what its processes still say after it."""

_SIGNAL = re.compile(r"ended by itself, by signal (\d+)")
"""What our launcher says."""

IDLE_GAUGES = (
    "s1_lm_active_sequences",
    "s1_lm_waiting_sequences",
    "s1_lm_kv_used_tokens",
    "s1_codec_active_streams",
    "s1_codec_state_bytes",
    "s1_codec_waiting_chunks",
    "s1_voice_waiting_requests",
)
"""What must be 0 when nobody asks for anything."""


@dataclass(frozen=True)
class Target:
    """Where a server is.

    Args:
        url: Host and gRPC port.
        metrics_url: Address of its metrics.
        process_id: Id of the ``tritonserver`` process.
    """

    url: str
    metrics_url: str
    process_id: int

    def metrics(self) -> dict[str, float]:
        """Our metrics, summed over their labels but for the outcomes of streams."""
        with urllib.request.urlopen(self.metrics_url, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        found: dict[str, float] = {}
        for line in lines:
            if line.startswith("s1_"):
                name, _, value = line.rpartition(" ")
                key = name if "outcome=" in name else name.partition("{")[0]
                found[key] = found.get(key, 0.0) + float(value)
        return found

    def capacity(self) -> int:
        """Streams of one class that it takes at once: those that run and those that wait."""
        metrics = self.metrics()
        return int(metrics["s1_lm_slots"] + metrics["s1_lm_queue_limit"])

    def outcome(self, name: str) -> float:
        """How many streams ended in a way: finished, cancelled, refused or failed."""
        return self.metrics()[f's1_lm_streams_total{{outcome="{name}"}}']

    def leaks(self, timeout_s: float = 15.0) -> list[str]:
        """Wait until nothing is held; returns what still is at the end, in words."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            metrics = self.metrics()
            held = [f"{name} is {metrics[name]:g}" for name in IDLE_GAUGES if metrics[name]]
            if not held or time.monotonic() > deadline_s:
                return held
            time.sleep(POLL_S)

    def process_ids(self) -> set[int]:
        """Ids of all processes of the server."""
        leader = psutil.Process(self.process_id)
        return {leader.pid, *(child.pid for child in leader.children(recursive=True))}


class ServerDiedError(MeasurementError):
    """The server ended while it was needed.

    Args:
        log: File with its log.
    """

    def __init__(self, log: Path) -> None:
        text = log.read_text(encoding="utf-8", errors="replace")
        found = _SIGNAL.search(text)
        cause = f"signal {found[1]}" if found else "no signal"
        super().__init__(f"the server died ({cause}); its log: {log}\n{last_lines(text)}")


class ScriptedServer:
    """``scripts/serve.py`` as a process of its own.

    Args:
        checkpoint: Folder of the checkpoint.
        arguments: Further arguments of the script.
        timeout_s: Longest time until it is ready.
        log: File for its log, which is kept; none: one in a new temporary folder.

    Raises:
        MeasurementError: it did not get ready; the message is its own.
    """

    def __init__(
        self,
        checkpoint: Path,
        arguments: tuple[str, ...] = (),
        timeout_s: float = 300.0,
        log: Path | None = None,
    ) -> None:
        self.log = log or Path(tempfile.mkdtemp(prefix="s1-load-test-")) / "server.log"
        ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
        with self.log.open("w", encoding="utf-8") as target:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPT), "--checkpoint", str(checkpoint), *ports, *arguments],
                stdout=subprocess.PIPE,
                stderr=target,
                text=True,
            )
        ready = self._ready_line(timeout_s)
        leader = next(c for c in psutil.Process(self._process.pid).children(True) if "tritonserver" in c.name())
        command = " ".join(leader.cmdline())
        self._shm_prefix = _found(r"shm-region-prefix-name=(\S+)", command)
        self._folder = Path(_found(r"--model-repository=(\S+)", command)).parent
        grpc_port, metrics_port = (_found(rf"{name} (\d+)", ready) for name in ("grpc", "metrics"))
        self.target = Target(f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{metrics_port}/metrics", leader.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, whatever happened."""
        if self._process.poll() is None:
            self.stop()

    def shared_memory_bytes(self) -> int:
        """Memory that its regions in /dev/shm take."""
        total = 0
        for region in SHARED_MEMORY.glob(f"{self._shm_prefix}*"):
            with suppress(FileNotFoundError):
                total += region.stat().st_blocks * 512
        return total

    def is_alive(self) -> bool:
        """Whether the server still runs."""
        return self._process.poll() is None and psutil.pid_exists(self.target.process_id)

    async def watch(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work that needs the server, and give it up as soon as the server is dead.

        Raises:
            ServerDiedError: the server is dead, whatever became of the work.
        """
        task = asyncio.ensure_future(work)
        while not task.done() and self.is_alive():
            await asyncio.wait([task], timeout=POLL_S)
        if self.is_alive():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(self._process.wait, STOP_LIMIT_S)  # until the launcher has said why
        raise ServerDiedError(self.log)

    def stop(self) -> list[str]:
        """Stop it with SIGINT; returns what was not as it should be."""
        ours = [psutil.Process(pid) for pid in self.target.process_ids()] if self.is_alive() else []
        started_s = time.monotonic()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return [f"the server did not stop within {STOP_LIMIT_S:g} s"]
        faults = [] if code == 0 else [f"the server ended with code {code}; 0 is clean"]
        _, living = psutil.wait_procs(ours, timeout=2.0)
        faults += [f"process {process.pid} lives on after the server's end" for process in living]
        faults += [f"{region} is left over" for region in SHARED_MEMORY.glob(f"{self._shm_prefix}*")]
        faults += [f"{self._folder} is left over"] if self._folder.exists() else []
        print(f"stopped in {time.monotonic() - started_s:.1f} s with code {code}", flush=True)
        return faults

    def _ready_line(self, timeout_s: float) -> str:
        assert self._process.stdout is not None  # a pipe was asked for
        deadline_s = time.monotonic() + timeout_s
        for line in self._process.stdout:
            if line.startswith("ready on"):
                return line
            if time.monotonic() > deadline_s:
                break
        self._process.terminate()
        self._process.wait()
        text = self.log.read_text(encoding="utf-8", errors="replace")
        raise MeasurementError(f"the server did not get ready; its log: {self.log}\n{last_lines(text)}")


def last_lines(text: str) -> str:
    """The end of a log."""
    return "\n".join(text.splitlines()[-LAST_LINES:])


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise MeasurementError(f"no {pattern!r} in {text!r}")
    return found[1]
