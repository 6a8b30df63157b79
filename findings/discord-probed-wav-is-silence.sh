#!/usr/bin/env bash
# discord.py: FFmpegOpusAudio.from_probe() of an ordinary WAV file plays nothing, mostly without an error.
#
# One would guess that from_probe(), which looks at a file and "determines the codec and bitrate", so that playing is efficient, plays what
# FFmpegPCMAudio plays. It takes the file's own bit rate as the one to encode Opus with, but for a floor where a ceiling
# was meant (max(bitrate, 512)). A WAV of 44.1 kHz, 16 bits, mono has 706 kb/s, over Opus' 512: ffmpeg refuses and ends, and the
# source is empty from its first read() on, which a voice client takes for the end of the sound. An error is there for `after` only
# if the process has already ended in the same moment, about one time in five here, else a bot is silent and believes that
# it spoke. Files of less, mp3 and 24 kHz WAV, are encoded with 512 kb/s. Say FFmpegOpusAudio(path) without the probe, whose 128
# kb/s hold, or take FFmpegPCMAudio.
#
# discord.py 2.7.1, ffmpeg 5.1.9 (Debian 12), Python 3.11; ffmpeg has to be installed. Run on 2026-11-28.
set -eu
command -v ffprobe > /dev/null || { echo "ffmpeg is not installed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q discord.py==2.7.1
cd "$folder"
"$folder/venv/bin/python" - 2> log <<'PYTHON'
import asyncio
import math
import struct
import sys
import wave

from discord import FFmpegOpusAudio, FFmpegPCMAudio


def seconds(source: FFmpegOpusAudio | FFmpegPCMAudio) -> float:
    """Read as the voice client does, 20 ms at a time, until nothing comes."""
    frames = 0
    while source.read():
        frames += 1
    source.cleanup()
    return frames / 50


async def main() -> None:
    heard = {}
    for rate_hz in (24_000, 44_100):
        samples = [round(9000 * math.sin(2 * math.pi * 440 * index / rate_hz)) for index in range(3 * rate_hz)]
        with wave.open(f"{rate_hz}.wav", "wb") as file:
            file.setparams((1, 2, rate_hz, 0, "NONE", ""))
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
        probed = await FFmpegOpusAudio.probe(f"{rate_hz}.wav")
        heard[rate_hz] = [
            seconds(await FFmpegOpusAudio.from_probe(f"{rate_hz}.wav")),
            seconds(FFmpegOpusAudio(f"{rate_hz}.wav")),
            seconds(FFmpegPCMAudio(f"{rate_hz}.wav")),
        ]
        print(f"3 s at {rate_hz} Hz, probed as {probed}: from_probe(), FFmpegOpusAudio and FFmpegPCMAudio give", *heard[rate_hz], "s")
    whole = all(2.9 < each < 3.2 for each in heard[24_000] + heard[44_100][1:])
    sys.exit(0 if whole and heard[44_100][0] == 0 else "not as it was on 2026-11-28")


asyncio.run(main())
PYTHON
grep -m 1 -i "bit rate" log
