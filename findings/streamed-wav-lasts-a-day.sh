#!/usr/bin/env bash
# tinytag, mutagen and pedalboard: a WAV file that was streamed lasts half a day or more, or cannot be read.
#
# One would guess that a library that reads a file's duration looks at the file: a header written before the sound was made says
# 0xFFFFFFFF (many programs that stream do) or 0 for a length that is not known, and libsndfile takes the
# first for "to the end of the file". tinytag and mutagen divide the header's number by the rate: a second of speech at 24 kHz
# lasts 89 478 s, 24.9 hours. With 0, tinytag says 0 s, and mutagen and pedalboard raise. So a bill by duration, a limit of length or a progress
# bar is wrong by a factor of 90 000, in silence. pedalboard also makes the sound longer: whoever reads until its `frames` gets silence
# for 2 147 483 647 samples, a day of it, with "exact_duration_known". Measure with libsndfile, or compare with the file's size.
#
# tinytag 2.3.2, mutagen 1.48.1, pedalboard 0.9.26, soundfile 0.14.0 (libsndfile). Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tinytag==2.3.2 mutagen==1.48.1 pedalboard==0.9.26 soundfile==0.14.0 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
from collections.abc import Callable

import mutagen
import mutagen.wave
import soundfile
from pedalboard.io import AudioFile
from tinytag import TinyTag

RATE_HZ = 24_000


def duration_s(measure: Callable[[str], float], length: int) -> float | str:
    """Of a second of sound whose header says that length."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    riff = 36 + length if 0 < length < 0xFFFFFFFF else length
    sound = b"\x00\x10" * RATE_HZ
    with open("speech.wav", "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + form + b"data" + struct.pack("<I", length) + sound)
    try:
        return round(measure("speech.wav"), 1)
    except (mutagen.MutagenError, ValueError) as error:
        return type(error).__name__


def by_pedalboard(name: str) -> float:
    with AudioFile(name) as file:
        second = file.read(2 * RATE_HZ)[0, RATE_HZ:]  # what it gives behind the end
        if len(second):
            print(f"pedalboard gives {len(second)} samples behind the end, the loudest of them {abs(second).max()}")
        return file.duration


measures = {
    "pedalboard": by_pedalboard,
    "tinytag": lambda name: TinyTag.get(name).duration,
    "mutagen": lambda name: mutagen.wave.WAVE(name).info.length,
    "soundfile": lambda name: soundfile.info(name).duration,
}
found = {
    name: [duration_s(measure, length) for length in (2 * RATE_HZ, 0xFFFFFFFF, 0)] for name, measure in measures.items()
}
for name, (known, unknown, zero) in found.items():
    print(f"{name}: length known {known}, 0xFFFFFFFF {unknown}, 0 {zero}")
assert found["soundfile"][:2] == [1.0, 1.0], "libsndfile reads it otherwise now"
assert found["tinytag"] == [1.0, 89478.5, 0.0], "tinytag looks at the file now"
assert found["mutagen"][:2] == [1.0, 89478.5], "mutagen looks at the file now"
assert isinstance(found["mutagen"][2], str), "mutagen reads a length of 0 now"
assert found["pedalboard"][:2] == [1.0, 89478.5], "pedalboard looks at the file now"
PYTHON
