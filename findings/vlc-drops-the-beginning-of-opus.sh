#!/usr/bin/env bash
# VLC: the first 73 ms of every Ogg/Opus file are not played.
#
# One would guess that a player leaves out as many samples as the header of an Ogg/Opus stream says (its "pre-skip", 312 of
# them, 6.5 ms, in what ffmpeg writes), so that the sound begins with its first sample. VLC leaves out 80 ms, the time that a
# decoder should be given after a jump, at the beginning as well, where there was no jump: a word's first consonant is gone.
# Nothing is said. More than 80 ms in the header are rounded up to packets of 20 ms. What helps: a pre-skip of exactly
# 3840 samples, 80 ms, filled with silence, which mpv, GStreamer, ffmpeg and libsndfile leave out as they are told.
#
# VLC 3.0.24 (Debian 12), av 18.1.0 (ffmpeg 8.1), Python 3.11; vlc has to be installed. Run on 2026-11-28.
set -eu
command -v cvlc > /dev/null || { echo "vlc is not installed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 777 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.3.5
cat > "$folder/make.py" <<'PYTHON'
import sys
import wave

import av
import numpy as np

RATE_HZ = 48_000
folder = sys.argv[1]
time = np.arange(RATE_HZ) / RATE_HZ
sweep = (10_000 * np.sin(2 * np.pi * (300 * time + 1000 * time**2))).astype(np.int16)
with wave.open(f"{folder}/sound.wav", "wb") as file:
    file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
    file.writeframes(sweep.tobytes())
with av.open(f"{folder}/sound.opus", "w", format="ogg") as container:
    stream = container.add_stream("libopus", rate=RATE_HZ, layout="mono")
    frame = av.AudioFrame.from_ndarray(sweep[None], format="s16", layout="mono")
    frame.sample_rate = RATE_HZ
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
PYTHON
cat > "$folder/compare.py" <<'PYTHON'
import sys
import wave

import av
import numpy as np

folder = sys.argv[1]


def from_wav(path: str) -> np.ndarray:
    with wave.open(path) as file:
        samples = np.frombuffer(file.readframes(10**7), "<i2").reshape(-1, file.getnchannels())
        assert file.getframerate() == 48_000
        return samples[:, 0].astype(float)


def shift_ms(sound: np.ndarray, original: np.ndarray) -> float:
    size = 2**18
    match = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(original, size)))
    lag = int(match.argmax())
    return round((lag if lag < size // 2 else lag - size) / 48, 1)


original = from_wav(f"{folder}/sound.wav")
with av.open(f"{folder}/sound.opus") as container:
    by_ffmpeg = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]).astype(float)
shifts = {
    "ffmpeg, Opus": shift_ms(by_ffmpeg, original),
    "VLC, WAV": shift_ms(from_wav(f"{folder}/vlc.wav.wav"), original),
    "VLC, Opus": shift_ms(from_wav(f"{folder}/vlc.opus.wav"), original),
}
for player, shift in shifts.items():
    print(f"{player}: the sound begins {shift} ms late")
same = abs(shifts["ffmpeg, Opus"]) < 1 and abs(shifts["VLC, WAV"]) < 1 and abs(shifts["VLC, Opus"] + 73.5) < 1
sys.exit(0 if same else "not as it was on 2026-11-28")
PYTHON
"$folder/venv/bin/python" "$folder/make.py" "$folder"
play() { # VLC does not run as root
  if [ "$(id -u)" = 0 ]; then
    HOME="$folder" setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
  else
    HOME="$folder" "$@"
  fi
}
for form in wav opus; do
  play timeout 60 cvlc -q --no-video --play-and-exit --aout=afile --audiofile-format=s16 \
    --audiofile-file="$folder/vlc.$form.wav" "$folder/sound.$form" vlc://quit 2> /dev/null
done
"$folder/venv/bin/python" "$folder/compare.py" "$folder"
