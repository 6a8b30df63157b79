"""What a figure was measured on: machine, versions, commit, command."""

import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import torch

from s1_tts.device import cpu_flags

ROOT = Path(__file__).resolve().parent.parent

_PACKAGES = ("torch", "nvidia-pytriton", "tritonclient", "grpcio", "numpy", "fish-speech")
_EMPTY_WORDS = {"intel", "amd", "nvidia", "processor", "cpu"}
_BFLOAT16_UNITS = {"amx_bf16": "amx", "avx512_bf16": "avx512-bf16"}


@dataclass(frozen=True)
class Conditions:
    """Where and with what a record was measured; none: not recorded.

    Args:
        started: When, UTC, ISO 8601.
        command: How to repeat it.
        commit: Of this repository; it ends in ``-dirty`` if the tree had changes.
        processor: Model name, and the vector units that matter here.
        cores: Cores of the machine.
        memory_gb: Memory of the machine.
        device: ``cpu``, or the CUDA device's name.
        versions: Of Python and of the packages that the figures depend on.
        threads: Threads of torch in the measuring process.
        load_average: Of the minute before; over one, other work shared the machine.
        environment: ``S1_*`` variables that were set.
    """

    started: str
    command: str
    commit: str
    processor: str
    cores: int
    memory_gb: float | None
    device: str
    versions: dict[str, str]
    threads: int | None
    load_average: float | None
    environment: dict[str, str]

    @classmethod
    def describe(cls, device: torch.device) -> Self:
        """Describe this process and its machine."""
        return cls(
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            command=shlex.join(["python", "-m", "perf", *sys.argv[1:]]),
            commit=_git("describe", "--always", "--dirty", "--exclude=*"),
            processor=_processor(),
            cores=os.cpu_count() or 1,
            memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            versions=_versions(),
            threads=torch.get_num_threads(),
            load_average=load_average(),
            environment={name: value for name, value in sorted(os.environ.items()) if name.startswith("S1_")},
        )

    @property
    def date(self) -> str:
        """Day on which the measurement started."""
        return self.started[:10]

    @property
    def machine(self) -> str:
        """Short name of the machine: its device, or its processor, bfloat16 unit and cores."""
        if self.device != "cpu":
            return _slug(self.device)
        model, _, units = self.processor.rpartition(" (")
        fast = next((name for unit, name in _BFLOAT16_UNITS.items() if unit in units), "")
        return "-".join(filter(None, (_slug(model), fast, str(self.cores), "cores")))


def load_average() -> float:
    """Mean number of processes that wanted to run in the last minute."""
    return round(os.getloadavg()[0], 2)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _slug(model: str) -> str:
    """A model's name in small letters, without the words that every model of its maker has."""
    words = re.sub(r"\(\w+\)|@.*", " ", model.lower()).split()
    return "-".join(re.sub(r"[^a-z0-9.]+", "-", word) for word in words if word not in _EMPTY_WORDS)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = cpu_flags()
    units = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{names[0] if names else platform.machine()} ({' '.join(units)})"
