#!/usr/bin/env bash
# What one would guess: ffmpeg's libraries read a sound file to its end whatever its header says of the size, as they do
# with WAV (0, 0x7FFFFFFF and 0xFFFFFFFF in the size of the sound all give every sample).
# What happens: 0 and -1 are read to the end in WAV and CAF, but in Wave64 they make the file "invalid data". And a size
# that is too small, as it was right for a first piece, is believed in all three: that piece, and no error. Recorders that
# are interrupted, or write into a pipe, leave all of these behind.
# So: write the size anew before such a file is decoded, or lengths are wrong without a word.
# Seen with av 18.1.0 (ffmpeg 8.1) and soundfile 0.13.1 (libsndfile 1.2.2, which writes the files), 2026-11-28.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "av==18.1.0" "soundfile==0.13.1" "numpy==2.3.5"
"$folder/venv/bin/python" - <<'PYTHON'
import io, struct, sys
import av, numpy, soundfile

def written(kind):
    buffer = io.BytesIO()
    soundfile.write(buffer, numpy.sin(numpy.arange(48_000) / 20).astype("float32") / 2, 16_000, format=kind, subtype="PCM_16")
    return buffer.getvalue()

def samples(data, demuxer):
    try:
        with av.open(io.BytesIO(data), format=demuxer) as container:
            return sum(frame.samples for frame in container.decode(audio=0))
    except av.FFmpegError as error:
        return type(error).__name__

def with_size(data, offset, form, size):
    place = data.index(b"data") + offset
    return data[:place] + struct.pack(form, size) + data[place + struct.calcsize(form):]

FORMS = {"WAV": ("wav", 4, "<I", 32), "W64": ("w64", 16, "<Q", 64), "CAF": ("caf", 4, ">Q", 64)}
seen = {}
for kind, (demuxer, offset, form, bits) in FORMS.items():
    whole = written(kind)
    for name, size in (("as written", None), ("0", 0), ("-1", 2**bits - 1), ("a first piece", 20_000)):
        data = whole if size is None else with_size(whole, offset, form, size)
        seen[kind, name] = samples(data, demuxer)
        print(f"{kind}, size {name}: {seen[kind, name]}")
good = all(seen[kind, "as written"] == 48_000 for kind in FORMS) and seen["WAV", "0"] == seen["WAV", "-1"] == 48_000
surprising = (
    seen["W64", "0"] == seen["W64", "-1"] == "InvalidDataError"
    and all(isinstance(seen[kind, "a first piece"], int) and seen[kind, "a first piece"] < 11_000 for kind in FORMS)
)
sys.exit(0 if good and surprising else "the behaviour has changed")
PYTHON
