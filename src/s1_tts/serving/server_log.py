"""The server's log: pass it on line by line, and find in it why a model did not load."""

import re
import subprocess
import threading
from collections import deque
from typing import TextIO

from s1_tts.serving.log_writer import LONGEST_LINE, LogWriter

KEPT_LINES = 4000

_LOAD_FAILURE = re.compile(r"failed to load '(?P<model>\w+)' version \d+: (?P<reason>.*)")
_ERROR_LINE = re.compile(r"^(?:E\d{4} .*?\] |error: )(?P<reason>.*)")
_ABORT = "terminate called after throwing"
_EXCEPTION = re.compile(r"^\s*what\(\):\s*(?P<reason>.*)")
_UNLOADED = re.compile(r"successfully unloaded '(?P<model>\w+)'")
_STOPPING = "Waiting for in-flight requests to complete"
_CODE_AND_EXCEPTION = re.compile(r"^(?:\w+: )?(?:TritonModelException: )?")
_TRACEBACK = r"\n\nAt:"
"""Where Python's traceback begins in a message; Triton writes line ends as two characters."""


class ServerLog:
    """Reads a server's output until it ends.

    Args:
        process: The server, started with its standard output and error in one pipe.
        target: Where the lines go.
    """

    def __init__(self, process: subprocess.Popen[str], target: TextIO) -> None:
        self._source = process.stdout
        self._writer = LogWriter(target)
        self._unloaded: set[str] = set()
        self._is_stopping = threading.Event()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._thread = threading.Thread(target=self._copy, name="server-log", daemon=True)
        self._thread.start()

    def tell(self, words: str) -> None:
        """Write a line of our own."""
        self._writer.write(f"{words}\n")

    def join(self, timeout_s: float) -> None:
        """Wait until the server has closed its output and all of it is written."""
        self._thread.join(timeout_s)
        self._writer.close(timeout_s)

    @property
    def is_followed(self) -> bool:
        """Whether the output is still read; a server that nobody reads stands still when the pipe is full."""
        return self._thread.is_alive()

    @property
    def num_lost(self) -> int:
        """Lines that could not be written."""
        return self._writer.num_lost

    @property
    def is_stopping(self) -> bool:
        """Whether the server has told that it stops, which before it was ready means that it gave up."""
        return self._is_stopping.is_set()

    @property
    def has_aborted(self) -> bool:
        """Whether the server has told of an exception that nothing caught."""
        return any(line.startswith(_ABORT) for line in list(self._lines))

    def has_unloaded(self, *models: str) -> bool:
        """Whether the server has told that it unloaded all of these."""
        return self._unloaded.issuperset(models)

    @property
    def failure(self) -> str:
        """Why the server did not start: the models' own messages, else its last errors."""
        return find_failure(list(self._lines))

    def _copy(self) -> None:
        while self._source is not None and (line := self._source.readline(LONGEST_LINE)):
            self._lines.append(line.rstrip("\n"))
            if _STOPPING in line:
                self._is_stopping.set()
            if unloaded := _UNLOADED.search(line):
                self._unloaded.add(unloaded["model"])
            self._writer.write(line)


def find_failure(lines: list[str]) -> str:
    """Find why a server did not start.

    Args:
        lines: Its log.

    Returns:
        ``model: message`` of each model that failed, or what the server itself died of, or its last error lines.
    """
    failures: dict[str, None] = {}  # a message may be logged twice; the first order is kept
    for line in lines:
        found = _LOAD_FAILURE.search(line)
        if found:
            failures[f"{found['model']}: {_plain_message(found['reason'])}"] = None
    if failures:
        return "\n".join(failures)
    errors = [found["reason"] for line in lines if (found := _EXCEPTION.match(line))]
    errors = errors or [found["reason"] for line in lines if (found := _ERROR_LINE.match(line))]
    return "\n".join(errors[-3:] or lines[-3:]) or "the server ended without a word"


def _plain_message(reason: str) -> str:
    message, _, _ = reason.partition(_TRACEBACK)
    return _CODE_AND_EXCEPTION.sub("", message).removesuffix('"').replace(r"\n", "\n").strip()
