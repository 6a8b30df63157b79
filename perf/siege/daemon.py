"""A program of the siege, kept running as an orchestrator keeps it."""

import asyncio
import contextlib
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from perf.errors import MeasurementError

READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.05
LAST_CHARACTERS = 3000


@dataclass
class Daemon:
    """A program, started again whenever it has ended.

    Args:
        name: What it is.
        command: Program and arguments.
        environment: All of its variables.
        ready: Pattern of the line that tells that it is ready.
        output: File of what it prints.
    """

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    ready: str
    output: Path
    codes: list[int] = field(default_factory=list)
    """What it ended with, each time."""
    _process: subprocess.Popen[bytes] | None = None
    _is_wanted: bool = False

    @property
    def process(self) -> psutil.Process:
        """Its process now.

        Raises:
            psutil.NoSuchProcess: there is none.
        """
        if self._process is None:
            raise psutil.NoSuchProcess(0, self.name)
        return psutil.Process(self._process.pid)

    @property
    def num_ready(self) -> int:
        """How often it said that it is ready."""
        text = self.output.read_text(encoding="utf-8", errors="replace") if self.output.exists() else ""
        return len(re.findall(self.ready, text))

    def family(self) -> list[psutil.Process]:
        """It and all that descend from it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self.process, *self.process.children(recursive=True)]
        return []

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            MeasurementError: it is not.
        """
        self._is_wanted = True
        before = self.num_ready
        self._process = self._spawn()
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while self.num_ready == before:
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                told = self.output.read_text(encoding="utf-8", errors="replace")[-LAST_CHARACTERS:]
                raise MeasurementError(f"{self.name} did not get ready:\n{told}")
            await asyncio.sleep(POLL_S)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as target:
            return subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=target, stderr=target
            )

    async def tend(self) -> None:
        """Start it again each time it ends, until it is cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            if self._process is not None and self._is_wanted and (code := self._process.poll()) is not None:
                self.codes.append(code)
                with contextlib.suppress(MeasurementError):  # it is tried again, and those who ask notice
                    await self.start()

    async def stop(self) -> int | None:
        """End it with SIGTERM; returns its code, or None if it had to be killed."""
        self._is_wanted = False
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return await asyncio.to_thread(self._process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return None
