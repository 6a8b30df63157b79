"""Sound files read in a process of their own, with bounds of time and memory."""

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Final, cast

import numpy as np
import numpy.typing as npt

from s1_tts.voices.sound.fault import SoundError
from s1_tts.voices.sound.pipe import HEADER, QUESTION

log = logging.getLogger(__name__)

MAX_READING_S: Final = 30.0
"""The longest recording takes a tenth of a second on a quick machine."""

Samples = npt.NDArray[np.float32]


class SoundProcess:
    """Reads sound files, one at a time; started with the first file, and again after it was lost.

    Args:
        max_reading_s: Time after which a file is given up.
    """

    def __init__(self, max_reading_s: float = MAX_READING_S) -> None:
        self._max_reading_s = max_reading_s
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, data: bytes, rate_hz: int, max_s: float, max_bytes: int) -> Samples:
        """Read all sound of a file; see :func:`s1_tts.voices.sound.reading.read_sound`.

        Raises:
            SoundError: it cannot be read, took too long, or ended the process that read it.
        """
        with self._turn:
            process = self._running()
            is_given_up = threading.Event()

            def give_up() -> None:
                is_given_up.set()
                process.kill()

            timer = threading.Timer(self._max_reading_s, give_up)
            timer.start()
            try:
                return _ask(process, QUESTION.pack(len(data), rate_hz, max_s, max_bytes), data)
            except (OSError, EOFError) as error:
                process.kill()
                status = process.wait()
                self._process = None
                log.warning("the process that reads recordings ended with status %s", status)
                is_late = is_given_up.is_set()
                fault = "takes too long to decode" if is_late else "is broken in a way that ends its decoder"
                raise SoundError(fault) from error
            finally:
                timer.cancel()

    def close(self) -> None:
        """End the process."""
        with self._turn:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [_interpreter(), "-m", "s1_tts.voices.sound.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
            )
        return self._process


def _interpreter() -> str:
    """The program of this version of Python; inside Triton, Python is a library and ``sys.executable`` a guess."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix):
        program = Path(prefix, "bin", version)
        if program.is_file():
            return str(program)
    return sys.executable or version


def _ask(process: subprocess.Popen[bytes], head: bytes, data: bytes) -> Samples:
    to_it, from_it = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)  # pipes, as it was started
    to_it.write(head)
    to_it.write(data)
    to_it.flush()
    answer = from_it.read(HEADER.size)
    if len(answer) < HEADER.size:
        raise EOFError
    is_good, size = HEADER.unpack(answer)
    body = from_it.read(size)
    if len(body) < size:
        raise EOFError
    if not is_good:
        raise SoundError(body.decode())
    return np.frombuffer(body, dtype=np.float32)
