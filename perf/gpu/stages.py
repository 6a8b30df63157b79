"""Run stages as processes, and keep what they say as they say it."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

MARK = "FIGURES "
"""Begins a line of a stage's output that holds figures, as JSON."""


LAST_WORDS_S = 5.0
"""What is waited for a stage's last lines once it has ended."""


class Check:
    """What was found, in ``check.json`` of a folder, written anew with each figure.

    Args:
        folder: Where it goes; ``log.txt`` beside it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "check.json"
        self.log = folder / "log.txt"
        self.figures: dict[str, dict[str, Any]] = {}
        self._writing = threading.Lock()
        if self._file.exists():
            self.figures = json.loads(self._file.read_text(encoding="utf-8"))

    def tell(self, stage: str, **figures: object) -> None:
        """Add figures of a stage."""
        with self._writing:
            self.figures.setdefault(stage, {}).update(figures)
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")
            part.replace(self._file)


def run_stage(
    check: Check, name: str, command: list[str], limit_s: float, variables: Mapping[str, str] | None = None
) -> None:
    """Run one stage, and end it with all it started when its time is over.

    Args:
        check: Takes what it finds.
        name: The stage.
        command: Its process.
        limit_s: Seconds at most.
        variables: Further ones of its environment.
    """
    started_s = time.monotonic()
    log = check.log.open("a", encoding="utf-8")
    log.write(f"\n===== {name}\n")
    log.flush()
    try:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, **(variables or {})},
        )
    except OSError as error:
        log.close()
        check.tell(name, status=f"could not be started: {error}")
        return
    reader = threading.Thread(target=_read, args=(check, name, process.stdout, log), daemon=True)
    reader.start()
    try:
        code = process.wait(limit_s)
        status = "done" if code == 0 else f"failed with code {code}"
    except subprocess.TimeoutExpired:
        status = "out of time"
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # A daemon that the stage left in a session of its own may hold the other end for ever.
    reader.join(LAST_WORDS_S)
    check.tell(name, status=status, seconds=round(time.monotonic() - started_s, 1))
    print(f"{name}: {status} after {check.figures[name]['seconds']} s", flush=True)
    print(json.dumps(check.figures[name])[:1500], flush=True)


def _read(check: Check, name: str, lines: Iterable[str], log: TextIO) -> None:
    """Keep what a stage says, to the end."""
    with log:
        for line in lines:
            log.write(line)
            log.flush()
            if line.startswith(MARK):
                try:
                    check.tell(name, **json.loads(line.removeprefix(MARK)))
                except ValueError:  # a line that was cut off; it is in the log
                    continue
