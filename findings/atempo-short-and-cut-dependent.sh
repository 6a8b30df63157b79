#!/usr/bin/env bash
# ffmpeg's atempo loses tens of milliseconds of length, and its sound depends on the frames it came in.
#
# One would guess that atempo=0.5 makes one second into two. It makes 1.94 to 1.98 s of it, by the sound: what is in the
# last window is not drawn out, and two filters in a row (the way to 0.25) lose 77 to 171 ms of 4 s. Speech ends early by
# that much, and whoever reckons with length / speed (captions, a player's clock, an expected file size) is off. And below a tempo of
# 0.9 the samples differ, far over rounding, if the same sound comes in frames of another size: a stream is not
# reproducible unless the frames are. What helps: frames of one size, silence behind the end, and a cut at the length
# that was wanted.
#
# av 18.1.0 (ffmpeg 8.0), numpy 2.3.5. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
from fractions import Fraction

import av
import numpy as np

RATE = 44100


def stretched(sound: np.ndarray, tempos: list[float], frame_samples: int) -> np.ndarray:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="flt", layout="mono", time_base=Fraction(1, RATE))
    chain = [source, *(graph.add("atempo", str(tempo)) for tempo in tempos), graph.add("abuffersink")]
    for before, after in zip(chain, chain[1:]):
        before.link_to(after)
    graph.configure()
    parts = []

    def pull() -> None:
        while True:
            try:
                parts.append(graph.pull().to_ndarray()[0])
            except (BlockingIOError, EOFError):
                return

    for at in range(0, len(sound), frame_samples):
        frame = av.AudioFrame.from_ndarray(sound[None, at : at + frame_samples].copy(), format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE, at
        graph.push(frame)
        pull()
    graph.push(None)
    pull()
    return np.concatenate(parts)


noise = 0.01 * np.random.default_rng(0).standard_normal(RATE)
second = (0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE) + noise).astype(np.float32)
half, quarter = stretched(second, [0.5], 1024), stretched(second, [0.5, 0.5], 1024)
short_ms = [1000 * (2 - len(half) / RATE), 1000 * (4 - len(quarter) / RATE)]
other = stretched(second, [0.5], 64)
common = min(len(half), len(other))
differs = float(np.abs(half[:common] - other[:common]).max())
print(f"1 s at 0.5 is {short_ms[0]:.0f} ms short of 2 s, at 0.5 twice {short_ms[1]:.0f} ms short of 4 s;")
print(f"frames of 1024 and of 64 samples give samples that differ by up to {differs:.3f} of full scale")
if min(short_ms) < 10 or differs < 0.001:
    raise SystemExit("atempo behaves differently now")
PYTHON
