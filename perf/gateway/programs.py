"""Programs that are measured from outside: started, watched, ended."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

import psutil
from perf.conditions import ROOT
from perf.errors import MeasurementError

BIN = Path(sys.executable).parent
STOP_LIMIT_S = 20.0


@dataclass(frozen=True)
class Program:
    """A program that runs.

    Args:
        address: Host and port where it listens.
        process: Its process.
    """

    address: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU time that it has used, in seconds."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory_mb(self) -> float:
        """Memory that is its own, in megabytes."""
        return float(self.process.memory_full_info().uss) / 1e6


@contextmanager
def running(
    command: Sequence[str | Path], ready: str, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run a program from the root of the repository, until the block ends.

    Args:
        command: Program and arguments.
        ready: Pattern of the line that tells where it listens.
        environment: Variables that it has besides ours.

    Raises:
        MeasurementError: it ended before.
    """
    told = os.environ | dict(environment or {})
    with subprocess.Popen(
        command, cwd=ROOT, env=told, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            assert process.stdout is not None  # a pipe was asked for
            address = _address(process.stdout, ready, str(command))
            Thread(target=process.stdout.read, daemon=True).start()
            yield Program(address, psutil.Process(process.pid))
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def stand_in(*, ahead_s: float | None = None, speedup: float | None = None) -> list[str | Path]:
    """Command of a server that costs nothing.

    Args:
        ahead_s: Each chunk is sent so long before its playback.
        speedup: It is so much faster than real time instead; neither: it waits for nothing.
    """
    command: list[str | Path] = [sys.executable, "-m", "tests.gateway.stand_in", "--port", "0"]
    if ahead_s is not None:
        command += ["--ahead", str(ahead_s)]
    return command + ([] if speedup is None else ["--speedup", str(speedup)])


def gateway(servers: str) -> list[str | Path]:
    """Command of a gateway before some servers."""
    return [BIN / "s1-gateway", "serve", "--port", "0", "--servers", servers]


def _address(lines: IO[str], ready: str, command: str) -> str:
    seen = ""
    for line in lines:
        if found := re.search(ready, line):
            return found[1]
        seen += line
    raise MeasurementError(f"{command} did not start:\n{seen}")
