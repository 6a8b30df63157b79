"""Servers with low limits of files, sizes or memory: each serves, or says in a line why it does not."""

import asyncio
import resource
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perf.siege.attack import Siege
from perf.siege.place import BIN
from perf.siege.tally import Tally

START_WITHIN_S = 120.0
STOP_WITHIN_S = 30.0
MOST_LOG_BYTES = 2_000_000


@dataclass(frozen=True)
class _Limit:
    """A limit of a process and all that it starts.

    Args:
        name: In words.
        kind: As :mod:`resource` numbers it.
        value: Soft and hard limit.
    """

    name: str
    kind: int
    value: int


LIMITS = (
    _Limit("open files: 40", resource.RLIMIT_NOFILE, 40),
    _Limit("open files: 128", resource.RLIMIT_NOFILE, 128),
    _Limit("size of a file: 64 kB", resource.RLIMIT_FSIZE, 64 * 1024),
    _Limit("memory: 512 MB", resource.RLIMIT_AS, 512 * 2**20),
)


async def attack(siege: Siege, tally: Tally) -> None:
    """One server after the other, each beside the one that is besieged."""
    for limit in LIMITS[: siege.number(1, len(LIMITS))]:
        await asyncio.to_thread(_try, siege, tally, limit)
    await siege.proof.ask_doors(siege.place, tally, may_be_told=False)


def _try(siege: Siege, tally: Tally, limit: _Limit) -> None:
    place = siege.place
    folder = place.folder / "limited"
    folder.mkdir(exist_ok=True)
    log = folder / f"{limit.kind}-{limit.value}.log"
    command: list[str | Path] = [BIN / "s1-tts-serve", "--checkpoint", place.checkpoint, "--device", "cpu"]
    command += ["--log", log, *(f"--{name}-port=0" for name in ("http", "grpc", "metrics"))]
    ready, told, code = _run(command, place.server.environment, limit, folder)
    is_in_order = ready or (code not in (None, 0) and _is_one_error(told))
    tally.note(is_in_order, f"{limit.name}: ready {ready}, code {code}: {told[-200:]}")
    size = log.stat().st_size if log.exists() else 0
    tally.note(size <= MOST_LOG_BYTES, f"{limit.name}: {size} bytes of log")


def _run(
    command: list[str | Path], environment: Mapping[str, str], limit: _Limit, folder: Path
) -> tuple[bool, str, int | None]:
    """Start a server under a limit and stop it; whether it got ready, what it said, and its code."""
    output = folder / "output"
    with output.open("wb") as target:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=target,
            preexec_fn=lambda: resource.setrlimit(limit.kind, (limit.value, limit.value)),  # noqa: PLW1509
        )
        deadline_s = time.monotonic() + START_WITHIN_S
        is_ready = False
        while process.poll() is None and not is_ready and time.monotonic() < deadline_s:
            time.sleep(0.1)
            is_ready = "ready on" in output.read_text(errors="replace")
        process.terminate()
        try:
            code: int | None = process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = None
    return is_ready, output.read_text(errors="replace"), code


def _is_one_error(told: str) -> bool:
    """Whether the command said why it does not serve, and no traceback."""
    return "error: " in told and "Traceback" not in told
