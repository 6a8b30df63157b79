#!/usr/bin/env bash
# soundfile: blocks() of an MP3 that was streamed ends with sound that is not in the file, up to seconds of it.
#
# One would guess that sf.blocks(), "for reading long files", gives what sf.read() gives, in pieces. It asks the header how many
# samples there are, and hands out its buffer until it has given so many, whether or not the file still filled it. An MP3 without
# LAME's frame of lengths, as servers and radios stream, has no such number: libsndfile guesses it from the file's size,
# tags and cover picture counted as sound. So the last block is repeated: a tone that goes on after its end, speech that
# stammers, and a transcript or bill that is too long; librosa.stream() reads by it. Nothing is raised. sf.read() and a loop
# of SoundFile.read(n), until nothing comes, are right.
#
# soundfile 0.14.0 (libsndfile 1.2.2), librosa 0.11.0, av 18.1.0. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q soundfile==0.14.0 librosa==0.11.0 av==18.1.0 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - 2> /dev/null <<'PYTHON'
import sys

import av
import librosa
import numpy as np
import soundfile

RATE_HZ, SECONDS, BLOCK = 44_100, 5, 1152


def write_mp3(path: str, tags: dict[str, str]) -> None:
    """A tone at 64 kb/s, as a server streams it: without the frame that tells the length."""
    tone = (10_000 * np.sin(2 * np.pi * 440 * np.arange(SECONDS * RATE_HZ) / RATE_HZ)).astype(np.int16)
    with av.open(path, "w", format="mp3", options={"write_xing": "0"}) as container:
        container.metadata.update(tags)
        stream = container.add_stream("libmp3lame", rate=RATE_HZ, layout="mono")
        stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


is_as_it_was = True
for name, tags in {"no tags": {}, "30 kB of tags": {"comment": "x" * 30_000}}.items():
    write_mp3("tone.mp3", tags)
    whole, _ = soundfile.read("tone.mp3")
    with soundfile.SoundFile("tone.mp3") as file:
        loop = []
        while len(piece := file.read(BLOCK)):
            loop.append(piece)
    blocks = np.concatenate(list(soundfile.blocks("tone.mp3", BLOCK)))
    streamed = np.concatenate(list(librosa.stream("tone.mp3", block_length=1, frame_length=BLOCK, hop_length=BLOCK)))
    invented = blocks[len(whole) :]
    lengths = [round(len(each) / RATE_HZ, 2) for each in (whole, np.concatenate(loop), blocks, streamed)]
    print(f"{name}: read() {lengths[0]} s, read(n) {lengths[1]} s, blocks() {lengths[2]} s, librosa.stream() {lengths[3]} s;")
    loudness = float(np.sqrt((invented**2).mean())) if len(invented) else 0.0
    print(f"    behind the end, blocks() gives {len(invented)} samples, loudness {loudness:.3f}; the tone has {np.sqrt((whole**2).mean()):.3f}")
    is_as_it_was &= lengths[0] == lengths[1] < 5.1 and len(blocks) > len(whole)
    is_as_it_was &= not tags or (lengths[2] > 8 and lengths[3] > 8)
sys.exit(0 if is_as_it_was else "not as it was on 2026-11-28")
PYTHON
