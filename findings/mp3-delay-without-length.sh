#!/usr/bin/env bash
# An MP3 stream that declares its encoder delay and, honestly, no length: ffmpeg plays the declaration as sound.
#
# A streaming encoder knows its delay at the start and its length never. LAME's tag has flags for each number in it, so
# one would guess that a first frame "Info" with the delay and neither the number of frames nor that of bytes says just
# that. ffmpeg then takes the frame for sound: 1152 samples of silence come in front, and the delay is cut off from those,
# so at 44.1 kHz the sound begins 1152 samples late, later than without any tag (1105). A number of frames of 0 does not
# help. With a number of bytes, however wrong (0xFFFFFFFF), ffmpeg skips the frame and cuts the delay off: the sound
# begins at its first sample. An impossible number of frames would work there too, but libsndfile then asks for memory
# for all of them. libsndfile cuts nothing off unless it is told the number of frames.
#
# av 18.1.0 (ffmpeg 8.0), soundfile 0.13.1 (libsndfile 1.2.2 with mpg123), lameenc 1.9.0. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.3.5 soundfile==0.13.1 lameenc==1.9.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct

import av
import lameenc
import numpy as np
import soundfile

RATE_HZ, DELAY = 44_100, 576
tone = (10_000 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.int16)
encoder = lameenc.Encoder()
encoder.silence()
encoder.set_channels(1)
encoder.set_in_sample_rate(RATE_HZ)
encoder.set_bit_rate(128)
frames = bytes(encoder.encode(tone.tobytes()) + encoder.flush())


def info_frame(counts: bytes) -> bytes:
    """MPEG-1 layer III at 128 kb/s without padding: 417 bytes, the tag behind 17 bytes of side information."""
    header = bytes([frames[0], frames[1], frames[2] & ~2, frames[3]])
    tag = b"Info" + counts + b"LAME3.100" + bytes([1]) + bytes(11) + (DELAY << 12).to_bytes(3, "big") + bytes(10)
    return (header + bytes(17) + tag).ljust(417, b"\0")


def first_heard(samples: np.ndarray) -> int:
    return int(np.argmax(np.abs(samples) > 0.02))


def by_ffmpeg(data: bytes) -> int:
    with av.open(io.BytesIO(data), format="mp3") as container:
        return first_heard(np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]))


def by_libsndfile(data: bytes) -> int:
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        return first_heard(file.read(RATE_HZ))


made = {
    "no tag": frames,
    "delay alone": info_frame(struct.pack(">I", 0)) + frames,
    "delay, 0 frames and bytes": info_frame(struct.pack(">III", 3, 0, 0)) + frames,
    "delay, 0xFFFFFFFF bytes": info_frame(struct.pack(">II", 2, 0xFFFFFFFF)) + frames,
}
heard = {name: (by_ffmpeg(data), by_libsndfile(data)) for name, data in made.items()}
for name, (ffmpeg, libsndfile) in heard.items():
    print(f"{name:26} first sound at sample {ffmpeg:5} by ffmpeg, {libsndfile:5} by libsndfile")
assert 1100 < heard["no tag"][0] < 1115
assert heard["delay alone"][0] > heard["no tag"][0]
assert heard["delay, 0 frames and bytes"][0] > heard["no tag"][0]
assert heard["delay, 0xFFFFFFFF bytes"][0] < 8
assert all(libsndfile > 1100 for _, libsndfile in heard.values())
PYTHON
