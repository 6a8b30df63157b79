"""Run stages as processes, and keep what they say as they say it."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

MARK = "FIGURES "
"""Begins a line of a stage's output that holds figures, as JSON."""


class Check:
    """What was found, in ``check.json`` of a folder, written anew with each figure.

    Args:
        folder: Where it goes; ``log.txt`` beside it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "check.json"
        self.log = folder / "log.txt"
        self.figures: dict[str, dict[str, Any]] = {}
        if self._file.exists():
            self.figures = json.loads(self._file.read_text(encoding="utf-8"))

    def tell(self, stage: str, **figures: object) -> None:
        """Add figures of a stage."""
        self.figures.setdefault(stage, {}).update(figures)
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")
        part.replace(self._file)


def run_stage(check: Check, name: str, command: list[str], limit_s: float) -> None:
    """Run one stage, and end it with all it started when its time is over.

    Args:
        check: Takes what it finds.
        name: The stage.
        command: Its process.
        limit_s: Seconds at most.
    """
    started_s = time.monotonic()
    with check.log.open("a", encoding="utf-8") as log:
        log.write(f"\n===== {name}\n")
        log.flush()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit_s, stop)
        timer.start()
        for line in process.stdout or ():
            log.write(line)
            if line.startswith(MARK):
                check.tell(name, **json.loads(line.removeprefix(MARK)))
        code = process.wait()
        timer.cancel()
    status = "out of time" if is_late.is_set() else "done" if code == 0 else f"failed with code {code}"
    check.tell(name, status=status, seconds=round(time.monotonic() - started_s, 1))
    print(f"{name}: {status} after {check.figures[name]['seconds']} s", flush=True)
    print(json.dumps(check.figures[name])[:1500], flush=True)
