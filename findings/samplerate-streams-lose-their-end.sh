#!/usr/bin/env bash
# samplerate (libsamplerate's bindings): a stream in pieces ends early, end_of_input or not.
#
# One would guess that process(piece, ratio, end_of_input=True) gives what the filter still holds: libsamplerate does, and the
# whole sound in one call has its 24 000 samples. In pieces the last call gives no more than the ratio times its own
# piece, since that is the room it is given, and what the filter held before stays inside: 143 samples with sinc_best, 6 ms.
# Further calls with no samples are given no room, and give nothing. The end of every utterance is cut off, by more the better
# the converter is. The tail comes if the last piece is followed by some zeros, of which too much is cut off by hand.
#
# samplerate 0.2.4, numpy 2.3.5. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q samplerate==0.2.4 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import samplerate

RATIO = 24000 / 44100
sound = np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100).astype(np.float32)


def streamed(converter: str, piece: int, zeros: int = 0) -> tuple[int, int]:
    """Samples that come, and those of three more calls after the end."""
    stream = samplerate.Resampler(converter)
    padded = np.concatenate([sound, np.zeros(zeros, dtype=np.float32)])
    count = 0
    for at in range(0, len(padded), piece):
        count += len(stream.process(padded[at : at + piece], RATIO, end_of_input=at + piece >= len(padded)))
    return count, sum(len(stream.process(padded[:0], RATIO, end_of_input=True)) for _ in range(3))


whole = streamed("sinc_best", len(sound))[0]
lost = {converter: 24000 - streamed(converter, 1000)[0] for converter in ("sinc_best", "sinc_medium", "sinc_fastest")}
more = streamed("sinc_best", 1000)[1]
print(f"in one piece {whole} samples; in pieces, lost: {lost}; three more calls give {more}")
print(f"with 1000 zeros after it: {streamed('sinc_best', 1000, 1000)[0]}, of which 24000 are the sound's")
assert whole == 24000, "one piece has another length now"
assert all(count > 0 for count in lost.values()) and more == 0, "the end comes now"
assert streamed("sinc_best", 1000, 1000)[0] >= 24000, "zeros do not push the end out any more"
PYTHON
