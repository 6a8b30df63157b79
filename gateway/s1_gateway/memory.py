"""Memory that streams gave back goes back to the system, instead of staying in holes of the heap."""

import ctypes
import platform
from typing import Final

# of glibc's malloc.h
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8

LARGE_BYTES: Final = 65_536
"""A chunk of sound is larger, nearly everything that lives longer is smaller."""


def use_compact_memory() -> None:
    """Let glibc keep one heap, and chunks of sound outside it; other C libraries are left as they are.

    Call it before threads start.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_ARENA_MAX, 1)
    libc.mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
