"""First audio in the voice of a 10 s recording, beside first audio without one.

    python -m perf voices --checkpoint DIR [--device cpu] [--dtype auto]

A request goes through the voice service, the language model's engine and the codec as on a server, one at a time.
``cold_ms`` is the first request with the recording: it is encoded and its prompt computed. ``warm_ms`` are later ones,
in turn with those without a voice, so that a busy machine slows both alike; medians. The bound is ``ratio`` 1.15.
"""

import argparse
import io
import statistics
import tempfile
import time
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Self

import numpy as np
import soundfile
from perf.measurement import add_subject, recorder

from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.lm.engine import LmEngine
from s1_tts.settings import Settings
from s1_tts.speech_task import Sampling, SpeechTask
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice import Recording, Voice
from s1_tts.voices.voice_ask import VoiceAsk

TEXT = "The quick brown fox jumps over the lazy dog."
TRANSCRIPT = "This is a recording of ten seconds, in which someone reads a few sentences aloud."
VOICE_ID = "bench"
FRAMES = 8
BOUND = 1.15


@dataclass
class VoiceFigures:
    """Figures of a voice; times in milliseconds, from the request to the first chunk of sound."""

    dtype: str
    recording_s: float
    repeats: int
    without_ms: float
    cold_ms: float
    warm_ms: float
    ratio: float
    is_within_bound: bool
    encode_ms: float


def recording(length_s: float) -> bytes:
    """A WAV file of made sound that changes all the time."""
    t = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = 0.3 * np.sin(2 * np.pi * (150 + 20 * np.sin(t)) * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    buffer = io.BytesIO()
    soundfile.write(buffer, sound.astype(np.float32), SAMPLE_RATE_HZ, format="WAV")
    return buffer.getvalue()


class VoiceBench:
    """The three engines of a server in one process.

    Args:
        settings: Settings of all three.
    """

    def __init__(self, settings: Settings) -> None:
        self.voices = VoiceService.load(settings)
        self.engine = LmEngine.load(settings)
        self.codec = CodecBatcher.load(settings)

    def __enter__(self) -> Self:
        self.engine.start()
        self.codec.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.close()
        self.codec.close()
        self.voices.close()

    def first_audio_ms(self, ask: VoiceAsk) -> float:
        """Time to the first chunk of sound of a short request; waits for its end too."""
        events: SimpleQueue[CodesChunk | StreamFailed] = SimpleQueue()
        sounds: SimpleQueue[DecodedChunk | StreamFailed] = SimpleQueue()
        started_s = time.perf_counter()
        request = SpeechTask(TEXT, Sampling(seed=1), max_frames=FRAMES, prompts=self.voices.resolve(ask))
        self.engine.submit(request, events.put)
        first_s = 0.0
        is_last = False
        while not is_last:
            chunk = events.get()
            if isinstance(chunk, StreamFailed):
                raise chunk.error
            self.codec.submit(chunk, sounds.put)
            sound = sounds.get()
            if isinstance(sound, StreamFailed):
                raise sound.error
            first_s = first_s or time.perf_counter() - started_s
            is_last = chunk.is_last
        return first_s * 1e3


def measure(arguments: argparse.Namespace, store: str) -> VoiceFigures:
    """Run all measurements with a store of its own."""
    settings = Settings(
        checkpoint=arguments.checkpoint,
        device=arguments.device,
        dtype=arguments.dtype,
        threads=arguments.threads,
        context_tokens=2048,
        max_slots=1,
        call_slots=0,
        voices=store,
    )
    nobody, somebody = VoiceAsk(), VoiceAsk(VOICE_ID)
    with VoiceBench(settings) as bench:
        bench.voices.store.put(Voice(VOICE_ID, (Recording(recording(arguments.seconds), TRANSCRIPT),)))
        bench.first_audio_ms(nobody)
        cold_ms = bench.first_audio_ms(somebody)
        pairs = [(bench.first_audio_ms(nobody), bench.first_audio_ms(somebody)) for _ in range(arguments.repeats)]
        encode_ms = bench.voices.stats().encoding_s * 1e3
    without_ms, warm_ms = (statistics.median(times) for times in zip(*pairs, strict=True))
    return VoiceFigures(
        dtype=arguments.dtype,
        recording_s=arguments.seconds,
        repeats=arguments.repeats,
        without_ms=without_ms,
        cold_ms=cold_ms,
        warm_ms=warm_ms,
        ratio=warm_ms / without_ms,
        is_within_bound=warm_ms / without_ms <= BOUND,
        encode_ms=encode_ms,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, has_dtype=True, threads=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the recording")
    parser.add_argument("--repeats", type=int, default=7)


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    with tempfile.TemporaryDirectory() as store:
        figures = measure(arguments, store)
    recorder("voices", arguments).print_and_record(arguments.checkpoint.name, figures)
