#!/usr/bin/env bash
# python-soxr: a 16-bit stream gives other samples when the same sound comes in other pieces.
#
# One would guess that ResampleStream's samples depend on the sound only: a streaming resampler is a filter with a
# memory, and for float32 the pieces make no difference, to the last bit. With dtype int16 libsoxr adds dither, whose
# noise falls differently with each cut: samples differ by up to 2. So a test that compares streamed sound with the
# same sound in one piece fails, a cache keyed by the bytes misses, and silence becomes noise of one bit. Resample in float32
# and round yourself.
#
# soxr 1.1.0, numpy 2.3.5. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q soxr==1.1.0 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import soxr

time_s = np.arange(44100) / 44100
sound = np.round(8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)


def resampled(samples: np.ndarray, piece: int) -> np.ndarray:
    stream = soxr.ResampleStream(44100, 24000, 1, dtype=str(samples.dtype), quality="HQ")
    parts = [stream.resample_chunk(samples[at : at + piece]) for at in range(0, len(samples), piece)]
    return np.concatenate([*parts, stream.resample_chunk(samples[:0], last=True)])


def difference(samples: np.ndarray) -> float:
    whole, cut = resampled(samples, len(samples)), resampled(samples, 882)
    assert len(whole) == len(cut) == 24000
    return float(np.abs(whole.astype(np.float64) - cut).max())


of_int16, of_float32 = difference(sound), difference(sound.astype(np.float32))
print(f"one piece against pieces of 20 ms: int16 differs by up to {of_int16:g}, float32 by {of_float32:g}")
if of_int16 == 0 or of_float32 != 0:
    raise SystemExit("soxr behaves differently now")
PYTHON
