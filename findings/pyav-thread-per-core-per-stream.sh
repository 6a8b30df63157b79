#!/usr/bin/env bash
# PyAV starts a thread per CPU core for every audio encoder and every AudioResampler, and no option turns it off.
#
# One would guess that encoding or resampling a stream of sound in PyAV costs no thread: AAC, Opus and FLAC are not
# threaded in ffmpeg, and thread_count = 1 can be set on the codec. But AudioResampler, and every encoder with a fixed
# frame size at its first frame even if nothing is to be converted, keeps a filter graph, and a graph starts a thread
# per core, which no audio filter uses. thread_count does not reach it. A server with 100 streams on 64 cores has 6400
# idle threads, past the limit of many a container. Graph.threads = 1 helps for graphs of one's own; for the others, to
# make them while the calling thread may run on one CPU (sched_setaffinity), or av_cpu_force_count(1) of libavutil (ctypes).
#
# av 18.1.0 (ffmpeg 8.0), numpy 2.3.5, Linux, two or more cores. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import os
from fractions import Fraction

import av
import numpy as np

cores = len(os.sched_getaffinity(0))
if cores < 2:
    raise SystemExit("this needs two cores or more: with one there is nothing to see")


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def frame() -> av.AudioFrame:
    made = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="flt", layout="mono")
    made.sample_rate = 48000
    made.pts = 0
    return made


def encoder() -> av.AudioCodecContext:
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = 48000, "mono", "flt"
    codec.time_base = Fraction(1, 48000)
    codec.thread_count = 1
    codec.encode(frame())  # the encoder's own format, rate and frame size
    return codec


def resampler() -> av.AudioResampler:
    made = av.AudioResampler(format="s16", layout="mono", rate=16000)
    made.resample(frame())
    return made


before = threads()
encoders = [encoder() for _ in range(20)]
of_encoders = threads() - before
resamplers = [resampler() for _ in range(20)]
of_resamplers = threads() - before - of_encoders
allowed = os.sched_getaffinity(0)
os.sched_setaffinity(0, {min(allowed)})
pinned = [encoder() for _ in range(20)]
os.sched_setaffinity(0, allowed)
of_pinned = threads() - before - of_encoders - of_resamplers
print(f"{cores} cores: 20 Opus encoders started {of_encoders} threads, 20 resamplers {of_resamplers},")
print(f"20 encoders whose first frame was encoded on one CPU {of_pinned}")
if of_encoders < 20 or of_resamplers < 20 or of_pinned:
    raise SystemExit("PyAV behaves differently now")
PYTHON
