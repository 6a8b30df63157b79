"""A language model that fails for one seed."""

from s1_tts.lm.engine import LmEngine
from s1_tts.request import SpeechRequest
from s1_tts.settings import Settings
from s1_tts.stream import CodesSink
from s1_tts.triton.llama import LlamaModel

FAULTY_SEED = 666


class FaultyEngine(LmEngine):
    def submit(self, request: SpeechRequest, sink: CodesSink) -> int:
        if request.sampling.seed == FAULTY_SEED:
            raise RuntimeError("secret of the language model")
        return super().submit(request, sink)


class TritonPythonModel(LlamaModel):
    def load_engine(self, settings: Settings) -> LmEngine:
        return FaultyEngine.load(settings)
