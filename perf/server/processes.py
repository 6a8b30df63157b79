"""Memory and processor time of a server's processes, by the model that they run."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

_MODEL = re.compile(r"/(\w+)/\d+/model\.py$")


@dataclass(frozen=True)
class ProcessMemory:
    """Memory of the processes of one name.

    Args:
        name: Model that they run, or the program's name.
        processes: How many there are.
        peak_mb: Most that they ever had resident, all together; each one's own peak, which the kernel keeps.
        now_mb: What they have resident now. Memory that they share counts for each of them.
    """

    name: str
    processes: int
    peak_mb: float
    now_mb: float


class ProcessGroup:
    """A process and all that descend from it.

    Args:
        process_id: The ancestor.
    """

    def __init__(self, process_id: int) -> None:
        self._ancestor = psutil.Process(process_id)

    def memory(self) -> list[ProcessMemory]:
        """Memory by name, largest peak first."""
        by_name: dict[str, list[tuple[float, float]]] = {}
        for process in self._living():
            sizes = peak_mb(process.pid), process.memory_info().rss / 1e6
            by_name.setdefault(_name_of(process), []).append(sizes)
        found = [
            ProcessMemory(name, len(sizes), sum(peak for peak, _ in sizes), sum(now for _, now in sizes))
            for name, sizes in by_name.items()
        ]
        return sorted(found, key=lambda memory: -memory.peak_mb)

    def own_mb(self) -> dict[str, float]:
        """What processes of each name have resident that is nobody else's: no files, and no shared memory."""
        found: dict[str, float] = {}
        for process in self._living():
            name = _name_of(process)
            found[name] = found.get(name, 0.0) + _status_mb(process.pid, "RssAnon")
        return found

    def cpu_s(self) -> float:
        """Processor seconds that all of them have used so far."""
        return sum(times.user + times.system for times in (process.cpu_times() for process in self._living()))

    def _living(self) -> Iterable[psutil.Process]:
        return [self._ancestor, *self._ancestor.children(recursive=True)]


def peak_mb(process_id: int) -> float:
    """Most memory that a process ever had resident, in MB, as the kernel keeps it."""
    return _status_mb(process_id, "VmHWM")


def device_memory_mb(device: torch.device) -> float | None:
    """Memory in use on a CUDA device, by whatever process; none on a CPU."""
    if device.type != "cuda":
        return None
    query = ["nvidia-smi", f"--id={device.index or 0}", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=True)
    return float(done.stdout) * 2**20 / 1e6


def _status_mb(process_id: int, name: str) -> float:
    """A size that ``/proc/<id>/status`` tells (proc(5)), in MB; 0 where it tells none."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(rf"^{name}:\s*(\d+) kB$", status, flags=re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def _name_of(process: psutil.Process) -> str:
    models = (found[1] for argument in process.cmdline() if (found := _MODEL.search(argument)))
    return next(models, process.name())
