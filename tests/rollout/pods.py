"""Processes that are started, stopped and replaced as a kubelet does it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

BIN = Path(sys.executable).parent
START_TIMEOUT_S = 240.0
MOST_STARTS = 4
RESTART_AFTER_S = 10.0
"""As a kubelet waits before it starts a container again that ended."""


@dataclass(frozen=True)
class Kind:
    """What pods of one kind have in common.

    Args:
        name: Of the kind.
        ready: Pattern of the line that says that one is ready; its group, if any, is the address.
        command: Program and arguments of the pod of a number.
        environment: Variables beside this process's own.
        joins: Called with the address of a pod that is ready: an endpoint more.
        leaves: The same for one that goes.
    """

    name: str
    ready: str
    command: Callable[[int], list[str]]
    environment: dict[str, str]
    joins: Callable[[str], None]
    leaves: Callable[[str], None]


@dataclass(frozen=True)
class Stop:
    """How a pod ended.

    Args:
        pod: Its name.
        took_s: From the signal to the end.
        was_killed: The grace was over first.
        exit_code: Of the process.
    """

    pod: str
    took_s: float
    was_killed: bool
    exit_code: int


@dataclass(eq=False)
class Pod:
    """One process.

    Args:
        kind: What it is.
        number: No other pod of its kind has or had it.
        log: Where its lines go.

    Attributes:
        address: Where it listens.
        num_restarts: How often it ended before it was ready, and was started again.
    """

    kind: Kind
    number: int
    log: TextIO
    address: str = ""
    num_restarts: int = 0
    process: "subprocess.Popen[str]" = field(init=False)

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"{self.kind.name}-{self.number}"

    def start(self) -> None:
        """Start it, again if it ends before it is ready, and make it an endpoint when it is.

        Raises:
            AssertionError: it does not get ready.
        """
        while not self._gets_ready():
            self.num_restarts += 1
            if self.num_restarts == MOST_STARTS:
                raise AssertionError(f"{self.name} did not start; see {self.log.name}")
            time.sleep(RESTART_AFTER_S)
        threading.Thread(target=self._read_on, daemon=True).start()
        self.kind.joins(self.address)

    def _gets_ready(self) -> bool:
        self.process = subprocess.Popen(
            self.kind.command(self.number),
            env=os.environ | self.kind.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        watchdog = threading.Timer(START_TIMEOUT_S, self.process.kill)
        watchdog.start()
        try:
            assert self.process.stdout is not None
            for line in self.process.stdout:
                self._note(line)
                if found := re.search(self.kind.ready, line):
                    self.address = found[1] if found.groups() else ""
                    return True
            return False
        finally:
            watchdog.cancel()

    def stop(self, pre_stop_s: float, grace_s: float) -> Stop:
        """End it as a kubelet does: no endpoint any more, the hook's sleep, SIGTERM, and SIGKILL after the grace.

        Args:
            pre_stop_s: The sleep.
            grace_s: All the time it has, the sleep included.
        """
        self.kind.leaves(self.address)
        time.sleep(pre_stop_s)
        told_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        was_killed = False
        try:
            self.process.wait(grace_s - pre_stop_s)
        except subprocess.TimeoutExpired:
            was_killed = True
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return Stop(self.name, time.monotonic() - told_s, was_killed, self.process.returncode)

    def kill(self) -> None:
        """End it without a word; harmless if it has ended."""
        if self.process.poll() is None:
            self.process.terminate()  # a server's launcher removes what it made
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _read_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._note(line)

    def _note(self, line: str) -> None:
        self.log.write(f"{time.strftime('%T')} {self.name}: {line}")
        self.log.flush()
