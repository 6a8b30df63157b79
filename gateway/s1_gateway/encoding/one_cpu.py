"""Keeps PyAV from starting a thread a core for every stream.

An encoder of PyAV's 18.1 passes frames through a filter graph of its own, made at its first frame. A graph starts a
thread for each CPU that its maker may run on, and nothing of a stream of sound uses them: on 64 cores a hundred streams
have 6400. PyAV gives no way to set the number for that graph, so it is made while its maker may run on one CPU.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def on_one_cpu() -> Iterator[None]:
    """Let this thread run on the CPU only that it is on now; there is no other way to tell ffmpeg."""
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    current = ctypes.CDLL(None).sched_getcpu()
    os.sched_setaffinity(0, {current} if current in allowed else allowed)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
