#!/usr/bin/env bash
# ffpyplayer (Kivy's player): a WAV file is silent, whatever wrote it; the same sound as FLAC or MP3 plays.
#
# One would guess that a player built on FFmpeg plays the simplest of all sound files. Its wheels open it, know its
# length, and end the thread of the sound at the first samples: a plain WAV header does not say where its channels stand, ffmpeg's
# filters choose "mono" for it, and the player's end of the filters takes that for a change that it does not support. A line goes to
# the standard error, and "audio:error" to a callback, if one was given; get_frame() says neither "eof" nor anything else, so that a
# program that waits for the end waits for ever. A header that names the channels' places (WAVE_FORMAT_EXTENSIBLE) plays.
# Speech servers send the plain header; ask them for MP3 or FLAC.
#
# ffpyplayer 4.5.4 (the wheel for Linux), soundfile 0.14.0, Python 3.11. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q ffpyplayer==4.5.4 soundfile==0.14.0 numpy==2.3.5
cd "$folder"
cat > make.py <<'PYTHON'
import wave

import numpy as np
import soundfile

RATE_HZ = 24_000
tone = (10_000 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.int16)
with wave.open("wave.wav", "wb") as file:
    file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
    file.writeframes(tone.tobytes())
soundfile.write("libsndfile.wav", np.stack([tone, tone], axis=1), RATE_HZ)
soundfile.write("extensible.wav", tone, RATE_HZ, format="WAVEX")
soundfile.write("tone.flac", tone, RATE_HZ)
soundfile.write("tone.mp3", tone, RATE_HZ)
PYTHON
cat > play.py <<'PYTHON'
import os
import sys
import time

import numpy as np

os.environ |= {"SDL_AUDIODRIVER": "disk", "SDL_DISKAUDIOFILE": "played.raw", "SDL_DISKAUDIODELAY": "20"}
from ffpyplayer.player import MediaPlayer

told = []
player = MediaPlayer(sys.argv[1], callback=lambda name, value: told.append(name), ff_opts={"vn": True, "sync": "audio"})
end = time.monotonic() + 8
while time.monotonic() < end and "eof" not in told:
    player.get_frame()
    time.sleep(0.02)
player.close_player()
played = np.fromfile("played.raw", "<i2") if os.path.exists("played.raw") else np.zeros(0, np.int16)
print(sys.argv[1], "sounds" if np.abs(played.astype(int)).max(initial=0) > 5000 else "is silent", *[each for each in ("audio:error", "eof") if each in told])
PYTHON
venv/bin/python make.py
for sound in wave.wav libsndfile.wav extensible.wav tone.flac tone.mp3; do
  rm -f played.raw
  venv/bin/python play.py $sound 2> /dev/null | tee -a found
done
cat > expected <<'END'
wave.wav is silent audio:error
libsndfile.wav is silent audio:error
extensible.wav sounds eof
tone.flac sounds eof
tone.mp3 sounds eof
END
diff expected found || { echo "not as it was on 2026-11-28"; exit 1; }
