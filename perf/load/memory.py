"""Whether memory stays flat: what every process of a server has resident, over time, and a line through it."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import psutil
from perf.server.processes import ProcessGroup

SHARED_MEMORY_NAME = "shared memory"


@dataclass(frozen=True)
class Trend:
    """A straight line through a process's memory.

    Args:
        name: Model that it runs, or the program's name; of several alike, all together.
        start_mb: Memory at the beginning of what was judged.
        end_mb: Memory at its end.
        slope_mb_per_min: Growth, by linear regression.
        error_mb_per_min: Its standard error.
        minutes: Length of what was judged.
    """

    name: str
    start_mb: float
    end_mb: float
    slope_mb_per_min: float
    error_mb_per_min: float
    minutes: float

    def grows_over(self, limit_mb_per_min: float) -> bool:
        """Whether it surely grows faster than that: by two standard errors."""
        return self.slope_mb_per_min - 2 * self.error_mb_per_min > limit_mb_per_min


class MemoryWatch:
    """Looks at a server's memory at regular intervals, from a thread of its own.

    Args:
        process_id: Leader of the server's processes.
        shared_memory_bytes: Tells the size of its shared memory.
        interval_s: Seconds between two looks.
    """

    def __init__(self, process_id: int, shared_memory_bytes: Callable[[], int], interval_s: float) -> None:
        self._group = ProcessGroup(process_id)
        self._shared_memory_bytes = shared_memory_bytes
        self._interval_s = interval_s
        self._samples: list[tuple[float, dict[str, float]]] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()

    def trends(self, warm_up_share: float) -> list[Trend]:
        """A line through each process's memory, without a first share of the time."""
        if not self._samples:
            return []
        first_s, last_s = self._samples[0][0], self._samples[-1][0]
        begin_s = first_s + warm_up_share * (last_s - first_s)
        judged = [(at_s, sizes) for at_s, sizes in self._samples if at_s >= begin_s]
        names = sorted({name for _, sizes in judged for name in sizes})
        found = (trend(name, [(at_s, sizes[name]) for at_s, sizes in judged if name in sizes]) for name in names)
        return [each for each in found if each is not None]

    def _run(self) -> None:
        while not self._closing.wait(self._interval_s):
            with suppress(psutil.NoSuchProcess):  # the server's end is noticed elsewhere
                sizes = {memory.name: memory.now_mb for memory in self._group.memory()}
                sizes[SHARED_MEMORY_NAME] = self._shared_memory_bytes() / 1e6
                self._samples.append((time.monotonic(), sizes))


def trend(name: str, samples: list[tuple[float, float]]) -> Trend | None:
    """A line through samples of (seconds, megabytes); none through fewer than three."""
    if len(samples) < 3:
        return None
    minutes, sizes = (np.array(values) for values in zip(*samples, strict=True))
    minutes = (minutes - minutes[0]) / 60
    slope, offset = np.polyfit(minutes, sizes, 1)
    residuals = sizes - (slope * minutes + offset)
    spread = ((minutes - minutes.mean()) ** 2).sum()
    error = np.sqrt((residuals**2).sum() / (len(sizes) - 2) / spread)
    return Trend(name, float(sizes[0]), float(sizes[-1]), float(slope), float(error), float(minutes[-1]))
