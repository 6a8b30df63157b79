# RealtimeTTS: OpenAI's speech as pcm is played a twelfth too slow, and as much too deep.
#
# One would guess that OpenAIEngine(response_format="pcm") plays what OpenAI documents: samples at 24 kHz. It says of them that they have
# 22 050 Hz: its player and the WAV file that it writes take them so, and nothing can be set. A second lasts 1.088 s, a voice is one and a
# half semitones lower, and since no server's answer is looked at, it is so with each that speaks OpenAI's protocol. (It also waits
# for the whole answer before the first sample.) Take the default, mp3, which mpv decodes by its own header.
#
# realtimetts 0.8.10, openai 3.57.0; gcc and portaudio19-dev have to be installed (for PyAudio). Run on 2026-11-28.
set -eu
command -v gcc > /dev/null && [ -n "$(find /usr/include /usr/local/include -name portaudio.h 2> /dev/null)" ] ||
  { echo "gcc or portaudio19-dev is not installed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "realtimetts[openai]==0.8.10" openai==3.57.0
cat > "$folder/slow.py" << 'END'
import math
import os
import queue
import struct
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

TONE_HZ, RATE_HZ, SECONDS = 440, 24_000, 2  # OpenAI's pcm: 24 kHz, 16 bits, mono
samples = [int(8000 * math.sin(2 * math.pi * TONE_HZ * index / RATE_HZ)) for index in range(RATE_HZ * SECONDS)]
PCM = struct.pack(f"<{len(samples)}h", *samples)


class Speech(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "audio/pcm;rate=24000;channels=1")
        self.send_header("content-length", str(len(PCM)))
        self.end_headers()
        self.wfile.write(PCM)


server = HTTPServer(("127.0.0.1", 0), Speech)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["OPENAI_BASE_URL"] = f"http://127.0.0.1:{server.server_port}/v1"
from RealtimeTTS import OpenAIEngine  # noqa: E402

engine = OpenAIEngine(response_format="pcm", api_key="unused")
engine.queue = queue.Queue()
engine.synthesize("Hello.")
sound = b"".join(engine.queue.get() for _ in range(engine.queue.qsize()))
_, channels, rate_hz = engine.get_stream_info()  # what the player and the WAV file are opened with
seconds = len(sound) / 2 / channels / rate_hz
print(f"{SECONDS} s of {TONE_HZ} Hz are played at {rate_hz} Hz: {seconds:.3f} s of {TONE_HZ * rate_hz / RATE_HZ:.0f} Hz")
raise SystemExit(0 if sound == PCM and rate_hz == 22_050 else "it has changed")
END
"$folder/venv/bin/python" "$folder/slow.py"
