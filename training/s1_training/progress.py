"""Progress of the stages: a bar with losses on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_INTERVAL_S: Final = 15.0
_SMOOTHING: Final = 0.97


class StageProgress:
    """Shows one stage after another."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr)
        self._bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bar.start()
        self._task = self._bar.add_task("", losses="")
        self._name = ""
        self._total = self._done = 0
        self._smooth: dict[str, float] = {}
        self._last_line_s = 0.0

    def start(self, name: str, total: int, done: int = 0) -> None:
        """Begin a stage.

        Args:
            name: Of the stage.
            total: Steps in all.
            done: Steps done before an interruption.
        """
        self._name, self._total, self._done, self._smooth = name, total, done, {}
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(name, total=total, completed=done, losses="")
        self._last_line_s = time.monotonic()

    def advance(self, losses: Mapping[str, float]) -> None:
        """One step more.

        Args:
            losses: By name; shown as running means.
        """
        self._done += 1
        for name, value in losses.items():
            self._smooth[name] = _SMOOTHING * self._smooth.get(name, value) + (1 - _SMOOTHING) * value
        shown = " ".join(f"{name} {value:.3f}" for name, value in self._smooth.items())
        self._bar.update(self._task, completed=self._done, losses=shown)
        now_s = time.monotonic()
        if not self._console.is_terminal and (now_s - self._last_line_s > LINE_INTERVAL_S or self._done == self._total):
            self._console.print(f"{self._name}: {self._done} of {self._total} {shown}", highlight=False)
            self._last_line_s = now_s

    def finish(self) -> None:
        """End a stage."""
        self._bar.refresh()

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, highlight=False)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()
