"""A language model that fails for one seed, and for another one gets stuck."""

import threading

from s1_tts.lm.engine import LmEngine
from s1_tts.settings import Settings
from s1_tts.speech_task import SpeechTask
from s1_tts.stream_events import CodesChunk, CodesSink, StreamFailed
from s1_tts.triton.models.llama import LlamaModel

FAULTY_SEED, STUCK_SEED = 666, 667


class FaultyEngine(LmEngine):
    def submit(self, request: SpeechTask, sink: CodesSink) -> int:
        if request.sampling.seed == FAULTY_SEED:
            raise RuntimeError("secret of the language model")
        if request.sampling.seed == STUCK_SEED:
            return super().submit(request, lambda event: stick(event, sink))
        return super().submit(request, sink)


def stick(event: CodesChunk | StreamFailed, sink: CodesSink) -> None:
    """Hold the engine's thread at the third chunk; its loop is known by then."""
    sink(event)
    if isinstance(event, CodesChunk) and event.index == 2:
        threading.Event().wait()


class TritonPythonModel(LlamaModel):
    def load_engine(self, settings: Settings) -> LmEngine:
        return FaultyEngine.load(settings)
