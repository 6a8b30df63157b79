"""What a measurement was taken on: hardware, versions, commit."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import torch

from s1_tts.device import cpu_flags

_EMPTY_WORDS = {"intel", "amd", "nvidia", "processor", "cpu"}
_BFLOAT16_UNITS = {"amx_bf16": "amx", "avx512_bf16": "avx512-bf16"}
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Machine:
    """Where and with what a result was measured."""

    date: str
    commit: str
    processor: str
    cores: int
    device: str
    python: str
    torch: str
    threads: int
    load_average: float

    @classmethod
    def describe(cls, device: torch.device) -> Self:
        """Look at this machine; ``load_average`` over a core's worth means the figures are of a shared one."""
        is_cuda = device.type == "cuda"
        return cls(
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            commit=_git("describe", "--always", "--dirty", "--exclude=*"),
            processor=_processor(),
            cores=os.cpu_count() or 1,
            device=torch.cuda.get_device_name(device) if is_cuda else "cpu",
            python=platform.python_version(),
            torch=torch.__version__,
            threads=torch.get_num_threads(),
            load_average=load_average(),
        )

    @property
    def name(self) -> str:
        """What a folder of results is called after: the device, or the processor, its unit for bfloat16, its cores."""
        if self.device != "cpu":
            return _slug(self.device)
        model, _, units = self.processor.rpartition(" (")
        fast = next((name for unit, name in _BFLOAT16_UNITS.items() if unit in units), "")
        return "-".join(filter(None, (_slug(model), fast, str(self.cores), "cores")))


def load_average() -> float:
    """Processes that wanted to run in the last minute, in the mean."""
    return round(os.getloadavg()[0], 2)


def _slug(model: str) -> str:
    """A model's name in small letters, without what its maker writes into every name."""
    words = re.sub(r"\(\w+\)|@.*", " ", model.lower()).split()
    return "-".join(re.sub(r"[^a-z0-9.]+", "-", word) for word in words if word not in _EMPTY_WORDS)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_REPOSITORY), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = cpu_flags()
    units = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{names[0] if names else platform.machine()} ({' '.join(units)})"
