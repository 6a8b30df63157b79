"""A language model that fails for one seed."""

from s1_tts.lm.engine import LmEngine
from s1_tts.settings import Settings
from s1_tts.speech_task import SpeechTask
from s1_tts.stream_events import CodesSink
from s1_tts.triton.models.llama import LlamaModel

FAULTY_SEED = 666


class FaultyEngine(LmEngine):
    def submit(self, request: SpeechTask, sink: CodesSink) -> int:
        if request.sampling.seed == FAULTY_SEED:
            raise RuntimeError("secret of the language model")
        return super().submit(request, sink)


class TritonPythonModel(LlamaModel):
    def load_engine(self, settings: Settings) -> LmEngine:
        return FaultyEngine.load(settings)
