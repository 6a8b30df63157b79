"""Everything that waits for a GPU, in one go of a few minutes: correctness first, then figures.

Each stage is a process of its own with a time limit; what it found is in ``OUT/check.json`` the moment it says so, and
one that fails, hangs or runs out of time costs nothing but itself. Weights are random and of the true sizes; nothing
is downloaded. With ``--second``: a real tritonserver under load, and the kernels' tiles. ``--device cpu --size tiny``
rehearses it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from perf.errors import MeasurementError
from perf.gpu.stages import Check, run_stage

FIRST = {
    "probe": 40.0,
    "compile": 60.0,
    "kernels": 60.0,
    "lm": 60.0,
    "codec": 70.0,
    "engine": 60.0,
    "micro": 40.0,
    "contention": 90.0,
    "tests": 100.0,
}
"""Stages and their limits in seconds, in the order of what is worth most; a budget for all of them stands over them.

The limits are for machines that are lent by the minute; a rehearsal on a CPU has only the budget.
"""

SECOND = {"server": 120.0, "tiles": 70.0}

INTERPRETED = {"kernels", "micro", "tiles"}
"""Stages that a rehearsal runs with Triton's interpreter."""

WITH_CHECKPOINT = {"engine", "contention", "server"}
CHECKPOINT_WAIT_S = 60.0
LEAST_S = 15.0
"""Time under which no further stage is begun."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of check.json and log.txt")
    parser.add_argument("--budget", type=float, default=340.0, metavar="S", help="seconds for all stages (%(default)s)")
    parser.add_argument("--device", default="cuda", help="cuda or cpu (%(default)s)")
    parser.add_argument("--size", default="full", choices=("tiny", "mid", "full"), help="of the models (%(default)s)")
    parser.add_argument("--second", action="store_true", help="the stages that need the first ones' result")
    parser.add_argument("--only", nargs="*", choices=[*FIRST, *SECOND], help="stages; all of the go")


def run(arguments: argparse.Namespace) -> None:
    """Run the stages."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    check = Check(arguments.out)
    ends_s = time.monotonic() + arguments.budget
    stages = {name: limit for name, limit in {**FIRST, **SECOND}.items() if _is_wanted(name, arguments)}
    with tempfile.TemporaryDirectory(prefix="s1-gpu-", dir=_fast_folder()) as folder:
        checkpoint = Path(folder) / "checkpoint"
        making = _make_checkpoint(checkpoint, arguments.size) if WITH_CHECKPOINT & stages.keys() else None
        try:
            for name, limit_s in stages.items():
                left_s = ends_s - time.monotonic()
                if left_s < LEAST_S:
                    check.tell(name, status="no time left")
                    continue
                if making is not None and name in WITH_CHECKPOINT and not _is_made(making, left_s - LEAST_S):
                    check.tell(name, status="its checkpoint was not made in time")
                    continue
                words = [arguments.device, arguments.size, str(checkpoint), str(arguments.out.resolve())]
                command = [sys.executable, "-m", "perf.gpu.stage", name, *words]
                is_rehearsal = arguments.device == "cpu"
                left_s = ends_s - time.monotonic()
                variables = {"TRITON_INTERPRET": "1"} if is_rehearsal and name in INTERPRETED else {}
                run_stage(check, name, command, left_s if is_rehearsal else min(limit_s, left_s), variables)
        finally:
            if making is not None:
                making.kill()
    if not any(check.figures.values()):
        raise MeasurementError("no stage found anything")


def _is_wanted(name: str, arguments: argparse.Namespace) -> bool:
    if arguments.only:
        return name in arguments.only
    return name in (SECOND if arguments.second else FIRST)


def _fast_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _make_checkpoint(folder: Path, size: str) -> subprocess.Popen[bytes]:
    """Begin to make a development checkpoint, beside the first stages."""
    code = (
        "import sys; from pathlib import Path; from s1_training.development.checkpoint import write_dev_checkpoint as w"
    )
    command = [sys.executable, "-c", f"{code}; w(Path(sys.argv[1]), sys.argv[2], seed=0)", str(folder), size]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _is_made(making: subprocess.Popen[bytes], left_s: float) -> bool:
    try:
        return making.wait(max(1.0, min(CHECKPOINT_WAIT_S, left_s))) == 0
    except subprocess.TimeoutExpired:
        return False
