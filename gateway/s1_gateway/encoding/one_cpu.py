"""Keeps PyAV from starting a thread a core for every stream.

An encoder of PyAV's 18.1 passes frames through a filter graph of its own, made at its first frame. A graph starts a
thread for each CPU that ffmpeg counts, and nothing of a stream of sound uses them: on 64 cores a hundred streams have
6400. PyAV gives no way to set the number for that graph; ffmpeg lets a program say how many CPUs it shall count.
"""

import ctypes
from functools import cache

import av.audio.frame


@cache
def count_one_cpu() -> None:
    """Have ffmpeg count one CPU in this process, from now on."""
    # a module that is linked with libavutil: its symbols are found through it
    ctypes.CDLL(av.audio.frame.__file__).av_cpu_force_count(1)
