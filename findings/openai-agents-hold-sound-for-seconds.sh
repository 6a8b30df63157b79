#!/usr/bin/env bash
# openai-agents: a voice pipeline hands out the first sound when 2.56 s of it are there.
#
# One would guess that VoicePipeline, whose result is a stream of events, passes a streaming server's first bytes on, and that
# buffer_size, "the minimal size of the chunks of audio data", counts bytes or samples and is small at 120. It counts pieces of
# 1024 bytes: 120 KiB, 2.56 s of pcm at 24 kHz, must have come before the first event. Most sentences are shorter, so that they come
# whole or not at all: however fast a server's first sound is, the listener waits for the last one. With
# TTSModelSettings(buffer_size=1) the first event comes with the first KiB.
#
# openai-agents 0.24.0, openai 3.22.1. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "openai-agents[voice]==0.24.0" openai==3.22.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from agents import set_tracing_disabled
from agents.voice import AudioInput, STTModel, TTSModelSettings, VoicePipeline, VoicePipelineConfig, VoiceWorkflowBase
from agents.voice.models.openai_tts import OpenAITTSModel
from openai import AsyncOpenAI

RATE_HZ, PIECE_BYTES, PIECES = 24_000, 4_800, 50  # 5 s, in pieces of 0.1 s
sent_bytes = 0


class Server(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        global sent_bytes
        sent_bytes = 0
        self.send_response(200)
        self.send_header("content-type", "audio/pcm")
        self.send_header("content-length", str(PIECE_BYTES * PIECES))
        self.end_headers()
        for _ in range(PIECES):
            self.wfile.write(bytes(PIECE_BYTES))
            sent_bytes += PIECE_BYTES
            time.sleep(0.02)

    def log_message(self, *_: object) -> None: ...


class Listener(STTModel):
    model_name = "none"

    async def transcribe(self, *_: object) -> str:
        return "Say something."

    async def create_session(self, *_: object) -> None:
        raise NotImplementedError


class Talker(VoiceWorkflowBase):
    async def run(self, _: str) -> AsyncIterator[str]:
        yield "This is a sentence of some five seconds, more or less."


async def sent_at_first_sound_s(address: str, settings: TTSModelSettings) -> float:
    """How much sound the server had sent when the first of it was handed out."""
    client = AsyncOpenAI(base_url=address, api_key="unused")
    pipeline = VoicePipeline(
        workflow=Talker(),
        stt_model=Listener(),
        tts_model=OpenAITTSModel("tts-1", client),
        config=VoicePipelineConfig(tts_settings=settings),
    )
    result = await pipeline.run(AudioInput(buffer=np.zeros(RATE_HZ, np.int16)))
    first = None
    async for event in result.stream():
        if event.type == "voice_stream_event_audio" and first is None:
            first = sent_bytes
    return first / 2 / RATE_HZ


set_tracing_disabled(True)
server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/v1"
usual = asyncio.run(sent_at_first_sound_s(address, TTSModelSettings()))
small = asyncio.run(sent_at_first_sound_s(address, TTSModelSettings(buffer_size=1)))
print(f"sound that the server had sent at the first event: {usual:.2f} s by default, {small:.2f} s with buffer_size=1")
sys.exit(0 if TTSModelSettings().buffer_size == 120 and usual >= 2.5 and small < 1.5 else "the behaviour has changed")
PYTHON
