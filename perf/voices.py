"""First audio in the voice of a 10 s recording, beside first audio without one.

    .venv/bin/python perf/voices.py --checkpoint DIR [--device cpu] [--dtype auto] [--json]

A request goes through the voice service, the language model's engine and the codec as on a server, one at a time.
``cold_ms`` is the first request with the recording: it is encoded and its prompt computed. ``warm_ms`` are later ones,
in turn with those without a voice, so that a busy machine slows both alike; medians. The bound is ``ratio`` 1.15.
"""

import argparse
import io
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Self

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for perf.machine, which is not installed

from perf.command import print_result
from perf.machine import Machine
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.device import resolve_device
from s1_tts.lm.engine import LmEngine
from s1_tts.request import Sampling, SpeechRequest
from s1_tts.settings import Settings
from s1_tts.stream import AudioChunk, CodesChunk, StreamFailed
from s1_tts.voices.ask import VoiceAsk
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice import Recording, Voice

TEXT = "The quick brown fox jumps over the lazy dog."
TRANSCRIPT = "This is a recording of ten seconds, in which someone reads a few sentences aloud."
VOICE_ID = "bench"
FRAMES = 8
BOUND = 1.15


@dataclass
class Result:
    """Figures of one run; times in milliseconds, from the request to the first chunk of sound."""

    machine: Machine
    checkpoint: str
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


class Bench:
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
        sounds: SimpleQueue[AudioChunk | StreamFailed] = SimpleQueue()
        started_s = time.perf_counter()
        request = SpeechRequest(TEXT, Sampling(seed=1), max_frames=FRAMES, prompts=self.voices.resolve(ask))
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


def measure(arguments: argparse.Namespace, store: str) -> Result:
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
    machine = Machine.describe(resolve_device(arguments.device))
    nobody, somebody = VoiceAsk(), VoiceAsk(VOICE_ID)
    with Bench(settings) as bench:
        bench.voices.store.put(Voice(VOICE_ID, (Recording(recording(arguments.seconds), TRANSCRIPT),)))
        bench.first_audio_ms(nobody)
        cold_ms = bench.first_audio_ms(somebody)
        pairs = [(bench.first_audio_ms(nobody), bench.first_audio_ms(somebody)) for _ in range(arguments.repeats)]
        encode_ms = bench.voices.stats().encoding_s * 1e3
    without_ms, warm_ms = (statistics.median(times) for times in zip(*pairs, strict=True))
    return Result(
        machine=machine,
        checkpoint=arguments.checkpoint.name,
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


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of each engine; 0: half of the cores")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the recording")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON line last")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as store:
        result = measure(arguments, store)
    print_result(result, as_json=arguments.json)


if __name__ == "__main__":
    main()
