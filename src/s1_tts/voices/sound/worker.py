"""The process that decodes sound files: ``python -m s1_tts.voices.sound.worker``.

A file from a stranger meets some hundred thousand lines of C here. If they crash, never end or take all memory, this
process is lost and no other. Its parent writes a file to its standard input and reads samples, or a fault, from its
standard output. It ends with its parent.
"""

import os
import resource
import sys
from pathlib import Path
from typing import BinaryIO, Final

from s1_tts.voices.sound.fault import SoundError
from s1_tts.voices.sound.pipe import HEADER, QUESTION
from s1_tts.voices.sound.reading import read_sound

MEMORY_BYTES: Final = 768 * 2**20
"""What decoding may take beside the libraries; the longest sound of the most channels takes half of it."""


def main() -> None:
    """Answer until the parent closes its end."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing that a library prints gets between the answers
    _limit_memory()
    questions = sys.stdin.buffer
    while (head := _read(questions, QUESTION.size)) is not None:
        size, rate_hz, max_s, max_bytes = QUESTION.unpack(head)
        data = _read(questions, size)
        if data is None:
            return
        try:
            samples, fault = read_sound(data, rate_hz, max_s, max_bytes).tobytes(), None
        except SoundError as found:
            samples, fault = b"", str(found)
        except MemoryError:
            samples, fault = b"", "takes too much memory to decode"
        body = samples if fault is None else fault.encode()
        answers.write(HEADER.pack(fault is None, len(body)) + body)
        answers.flush()


def _read(stream: BinaryIO, size: int) -> bytes | None:
    data = stream.read(size)
    return data if len(data) == size else None


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
