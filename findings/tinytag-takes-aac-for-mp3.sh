#!/usr/bin/env bash
# tinytag: an AAC stream of three seconds lasts less than a fifth of a second, at a rate that is not its own.
#
# One would guess that a library that knows AAC inside MP4 only raises its UnsupportedFormatError for the AAC that speech servers
# send (ADTS, response_format "aac" of OpenAI's protocol). The frames of ADTS begin with the twelve bits that MP3's begin with, so
# tinytag parses them as MP3 and tells what comes of that: of sounds of 3 s, durations of 0.01 to 0.18 s, and
# rates of 11.025, 32 or 44.1 kHz at random. No exception, so that bills and limits by duration are wrong. mutagen tells 3.0 to
# 3.1 s. Decode it to know.
#
# tinytag 2.3.2, mutagen 1.48.1, av 18.1.0 (ffmpeg 8, which writes the files). Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tinytag==2.3.2 mutagen==1.48.1 av==18.1.0 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import mutagen
import numpy as np
from tinytag import TinyTag

DURATION_S = 3


def write(path: str, rate_hz: int) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(DURATION_S * rate_hz) / rate_hz)).astype(np.int16)
    with av.open(path, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


holds = True
for rate_hz in (16_000, 24_000, 44_100):
    write("speech.aac", rate_hz)
    tag = TinyTag.get("speech.aac")
    length_s = mutagen.File("speech.aac").info.length
    print(f"{DURATION_S} s at {rate_hz} Hz: tinytag {tag.duration:.3f} s at {tag.samplerate} Hz; mutagen {length_s:.3f} s")
    holds = holds and tag.duration < 1 and abs(length_s - DURATION_S) < 0.2
sys.exit(0 if holds else "the behaviour has changed")
PYTHON
