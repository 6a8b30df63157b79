#!/usr/bin/env bash
# pydub: set_frame_rate folds what the new rate cannot hold back into the sound.
#
# One would guess that set_frame_rate(8000), the usual way of making sound for a telephone, filters first, as every
# resampler does: a tone of 6 kHz is above half of 8 kHz and should be gone. pydub draws straight lines between samples
# (audioop.ratecv) and filters nothing: the tone comes back at 2 kHz, half a decibel weaker than it was. In speech it is the
# sibilants that become a whistle. Resample with soxr, or with ffmpeg's filter, before pydub sees the sound.
#
# pydub 0.25.1, numpy 2.3.5, Python 3.11 (from 3.13 on pydub needs audioop-lts, which is the same code). Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pydub==0.25.1 soxr==1.1.0 numpy==2.3.5 "audioop-lts==0.2.2; python_version >= '3.13'"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import soxr
from pydub import AudioSegment

TONE_HZ, RATE_HZ = 6000, 8000
tone = (20000 * np.sin(2 * np.pi * TONE_HZ * np.arange(44100) / 44100)).astype("<i2")


def peak(samples: np.ndarray) -> tuple[float, float]:
    """Frequency of the loudest part in Hz, and the level of all in dB under the tone's."""
    spectrum = np.abs(np.fft.rfft(samples))
    level_db = 20 * np.log10(max(float(np.std(samples)), 1e-9) / np.std(tone.astype(float)))
    return float(np.argmax(spectrum)) * RATE_HZ / len(samples), level_db


segment = AudioSegment(tone.tobytes(), frame_rate=44100, sample_width=2, channels=1).set_frame_rate(RATE_HZ)
by_pydub = peak(np.array(segment.get_array_of_samples(), dtype=float))
by_soxr = peak(soxr.resample(tone.astype(np.float32), 44100, RATE_HZ)[400:-400])
print(f"a tone of {TONE_HZ} Hz at {RATE_HZ} Hz: pydub {by_pydub[0]:.0f} Hz at {by_pydub[1]:.1f} dB; soxr {by_soxr[1]:.1f} dB")
assert by_soxr[1] < -80, "soxr lets it through now"
assert abs(by_pydub[0] - 2000) < 5 and by_pydub[1] > -3, "pydub filters now"
PYTHON
