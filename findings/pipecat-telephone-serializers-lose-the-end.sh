#!/usr/bin/env bash
# Pipecat: over Twilio's, Telnyx' and Plivo's serializers the end of each turn is lost, up to a seventh of a second of it.
#
# One would guess that a bot whose pipeline runs at 24 kHz, the default, is heard whole over a telephone's 8 kHz: the serializer
# resamples. It does so with a streaming resampler of the greatest quality, which gives its output in pieces of 138 ms here, and which
# nothing asks for the rest (the transport's own resampler is flushed at the end of a turn; the serializer's is not). The next
# turn, over 0.2 s later, clears it. So each turn ends early, "yes" without its s, and its first sound goes out after 160 ms of
# sound instead of 40. With audio_out_sample_rate=8000 in the pipeline's parameters, and a speech service that makes
# 8 kHz, nothing is lost and nothing is late.
#
# pipecat-ai 1.14.0, Python 3.11. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pipecat-ai==1.14.0
cd "$folder"
"$folder/venv/bin/python" - 2> /dev/null <<'PYTHON'
import asyncio
import base64
import json
import math
import struct
import sys

from pipecat.frames.frames import OutputAudioRawFrame
from pipecat.serializers.plivo import PlivoFrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer

FRAME_MS = 40  # as Pipecat's transports send


def serializers() -> dict[str, object]:
    return {
        "Twilio": TwilioFrameSerializer("id", params=TwilioFrameSerializer.InputParams(auto_hang_up=False)),
        "Telnyx": TelnyxFrameSerializer(
            "id", "PCMU", "PCMU", params=TelnyxFrameSerializer.InputParams(auto_hang_up=False)
        ),
        "Plivo": PlivoFrameSerializer("id", params=PlivoFrameSerializer.InputParams(auto_hang_up=False)),
    }


async def sent(serializer: object, rate_hz: int, length_ms: int) -> tuple[float, int]:
    """Say a tone; gives the milliseconds that went out, and how much had gone in before the first."""
    count = rate_hz * length_ms // 1000
    samples = [round(9000 * math.sin(2 * math.pi * 440 * index / rate_hz)) for index in range(count)]
    sound = struct.pack(f"<{count}h", *samples)
    step = 2 * rate_hz * FRAME_MS // 1000
    out, first_ms = b"", 0
    for number, start in enumerate(range(0, len(sound), step), 1):
        frame = OutputAudioRawFrame(audio=sound[start : start + step], sample_rate=rate_hz, num_channels=1)
        if message := await serializer.serialize(frame):
            first_ms = first_ms or number * FRAME_MS
            out += base64.b64decode(json.loads(message)["media"]["payload"])
    return len(out) / 8, first_ms


async def main() -> None:
    is_as_it_was = True
    for rate_hz in (24_000, 44_100, 8000):
        lost, first = {}, set()
        for length_ms in range(1000, 1400, FRAME_MS):
            for name, serializer in serializers().items():
                out_ms, first_ms = await sent(serializer, rate_hz, length_ms)
                lost.setdefault(name, []).append(length_ms - out_ms)
                first.add(first_ms)
        for name, each in lost.items():
            print(f"{name}, turns of 1 to 1.4 s at {rate_hz} Hz: {min(each)} to {max(each)} ms are lost; first sound after {first} ms")
            is_as_it_was &= (min(each) > 10 and max(each) > 100) if rate_hz != 8000 else max(each) == 0
    sys.exit(0 if is_as_it_was else "not as it was on 2026-11-28")


asyncio.run(main())
PYTHON
