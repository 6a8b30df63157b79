"""Engine and codec in one process, without a server: first audio, and audio a second."""

import threading
import time
from functools import partial
from statistics import median

from perf.gpu.stage import Stage
from perf.gpu.timing import guarded, tell
from s1_protocol.names import ServiceClass
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.lm.engine import LmEngine
from s1_tts.settings import Settings
from s1_tts.speech_task import Sampling, SpeechTask
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed

LOADS = ((1, 64), (8, 64), (32, 200), (64, 400))
REHEARSED = ((1, 8), (4, 8))
TIMEOUT_S = 50.0


def run(stage: Stage) -> None:
    """Speak alone, and with more and more others."""
    settings = Settings(checkpoint=stage.checkpoint, device=str(stage.device))
    started_s = time.perf_counter()
    engine, batcher = LmEngine.load(settings), CodecBatcher.load(settings)
    engine.start()
    batcher.start()
    tell(load_s=time.perf_counter() - started_s, slots=engine.stats().slots)
    try:
        for count, frames in LOADS if stage.is_cuda else REHEARSED:
            with guarded(f"streams_{count}"):
                Callers(engine, batcher, count, 8).speak()
                tell(**{f"streams_{count}": Callers(engine, batcher, count, frames).speak()})
    finally:
        engine.close()
        batcher.close()


class Callers:
    """Callers who come at once.

    Args:
        engine: Makes codes.
        batcher: Makes sound of them.
        count: Callers.
        frames: Frames of each at most.
    """

    def __init__(self, engine: LmEngine, batcher: CodecBatcher, count: int, frames: int) -> None:
        self._engine, self._batcher = engine, batcher
        self._count, self._frames = count, frames
        self._lock = threading.Lock()
        self._first_s: dict[int, float] = {}
        self._samples = 0
        self._failures: list[str] = []
        self._ended = threading.Semaphore(0)

    def speak(self) -> dict[str, object]:
        """Speak, and wait for all of it."""
        self._started_s = time.perf_counter()
        for index in range(self._count):
            text = f"This is a note of ordinary length, number {index}, and it goes on for a while."
            task = SpeechTask(text, Sampling(seed=index), max_frames=self._frames, service=ServiceClass.CALL)
            self._engine.submit(task, partial(self._codes, index))
        for _ in range(self._count):
            if not self._ended.acquire(timeout=TIMEOUT_S):
                raise TimeoutError(f"{self._count} streams did not end in {TIMEOUT_S:.0f} s")
        wall_s = time.perf_counter() - self._started_s
        firsts = sorted(self._first_s.values())
        return {
            "first_audio_ms_p50": round(median(firsts) * 1e3, 2) if firsts else None,
            "first_audio_ms_worst": round(firsts[-1] * 1e3, 2) if firsts else None,
            "audio_s_per_s": round(self._samples / SAMPLE_RATE_HZ / wall_s, 1),
            "failures": self._failures[:3],
        }

    def _codes(self, index: int, event: CodesChunk | StreamFailed) -> None:
        if isinstance(event, StreamFailed):
            self._fail(event)
        else:
            self._batcher.submit(event, partial(self._sound, index))

    def _sound(self, index: int, event: DecodedChunk | StreamFailed) -> None:
        if isinstance(event, StreamFailed):
            self._fail(event)
            return
        with self._lock:
            self._first_s.setdefault(index, time.perf_counter() - self._started_s)
            self._samples += len(event.samples)
        if event.is_last:
            self._ended.release()

    def _fail(self, event: StreamFailed) -> None:
        with self._lock:
            self._failures.append(str(event.error))
        self._ended.release()
