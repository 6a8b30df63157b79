"""What language model and codec cost each other on one GPU: two processes, with MPS, with a share, one process."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from perf.gpu import sides
from perf.gpu.stage import Stage
from perf.gpu.timing import guarded, tell

CODEC_SHARE_PERCENT = 30
LEGS_S, REHEARSED_LEGS_S = 30.0, 200.0
"""What a leg may take, its processes' start included: one that hangs costs the others nothing."""


def run(stage: Stage) -> None:
    """Run each side alone, then both in each way."""
    for name in sides.PREPARE:
        with guarded(f"{name}_alone"):
            tell(**{f"{name}_alone": _run_sides(stage, [name], {})})
    with guarded("two_processes"):
        tell(two_processes=_run_sides(stage, list(sides.PREPARE), {}))
    with guarded("one_process"):
        tell(one_process=sides.in_one_process(stage.device, stage.size, stage.checkpoint))
    if not stage.is_cuda or shutil.which("nvidia-cuda-mps-control") is None:
        tell(mps="there is no nvidia-cuda-mps-control")
        return
    for name, share in (("mps", None), ("mps_with_share", CODEC_SHARE_PERCENT)):
        with guarded(name), _mps() as variables:
            tell(**{name: _run_sides(stage, list(sides.PREPARE), variables, share)})


def _run_sides(
    stage: Stage, names: list[str], variables: Mapping[str, str], codec_share: int | None = None
) -> dict[str, float]:
    processes: list[subprocess.Popen[str]] = []

    def end_all() -> None:
        for process in processes:
            process.kill()

    timer = threading.Timer(LEGS_S if stage.is_cuda else REHEARSED_LEGS_S, end_all)
    timer.start()
    try:
        for name in names:
            share = {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(codec_share)} if codec_share and name == "codec" else {}
            command = [
                sys.executable,
                "-m",
                "perf.gpu.sides",
                name,
                str(stage.device),
                stage.size,
                str(stage.checkpoint),
            ]
            environment = {**os.environ, **variables, **share}
            processes.append(
                subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        for process in processes:
            if process.stdout is None or process.stdout.readline().strip() != "ready":
                raise RuntimeError("a side did not get ready")
        for process in processes:
            if process.stdin is not None:
                process.stdin.write("\n")
                process.stdin.flush()
        figures: dict[str, float] = {}
        for process in processes:
            told, _ = process.communicate()
            if process.returncode:
                raise RuntimeError(f"a side ended with code {process.returncode}")
            figures |= json.loads(told)
        return figures
    finally:
        timer.cancel()
        end_all()


@contextmanager
def _mps() -> Iterator[dict[str, str]]:
    """Run a control daemon of our own, which changes nothing on the card."""
    with tempfile.TemporaryDirectory(prefix="s1-mps-") as folder:
        variables = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        environment = {**os.environ, **variables}
        subprocess.run(  # silent, since the daemon keeps the output that it is given
            ["nvidia-cuda-mps-control", "-d"],
            env=environment,
            check=True,
            timeout=10,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield variables
        finally:
            subprocess.run(
                ["nvidia-cuda-mps-control"], input="quit\n", text=True, env=environment, check=False, timeout=20
            )
