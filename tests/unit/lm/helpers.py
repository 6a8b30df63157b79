"""What engines are asked for, a listener that collects a stream's events, and an engine made of small parts."""

import threading
from collections.abc import Callable

import numpy as np

from s1_tts.lm.engine import LmEngine
from s1_tts.lm.loading import LanguageModel
from s1_tts.lm.prefix_cache import PrefixCache
from s1_tts.lm.prompt import PromptBuilder
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.scheduler import Scheduler
from s1_tts.speech_task import Sampling, SpeechTask, VoicePrompt
from s1_tts.stream_events import CodesChunk, StreamFailed

TIMEOUT_S = 240.0
"""Only so that a test that fails comes to an end."""

VOICE = VoicePrompt("a voice", np.random.default_rng(3).integers(0, 1024, (10, 40)).astype(np.int32))
REQUESTS = (
    SpeechTask("Hello there.", Sampling(seed=1)),
    SpeechTask("A longer sentence that says a little more than hello.", Sampling(seed=2, temperature=1.0)),
    SpeechTask("Greedy.", Sampling(temperature=0.0)),
    SpeechTask("With a voice.", Sampling(seed=4, top_p=1.0), prompts=(VOICE,)),
    SpeechTask("Cut short.", Sampling(seed=5), max_frames=7),
    SpeechTask("In small pieces.", Sampling(seed=6, repetition_penalty=1.5), chunk_frames=3),
)


class Listener:
    """Collects the events of one stream and checks their order."""

    def __init__(self) -> None:
        self.chunks: list[CodesChunk] = []
        self.failure: StreamFailed | None = None
        self.started = threading.Event()
        self.ended = threading.Event()

    def __call__(self, event: CodesChunk | StreamFailed) -> None:
        assert not self.ended.is_set(), "an event after the end"
        if isinstance(event, StreamFailed):
            self.failure = event
        else:
            assert event.index == len(self.chunks)
            self.chunks.append(event)
        self.started.set()
        if isinstance(event, StreamFailed) or event.is_last:
            self.ended.set()

    def codes(self) -> np.ndarray:
        """Wait for the end; all codes ``[num_codebooks, frames]``."""
        assert self.ended.wait(TIMEOUT_S)
        assert self.failure is None, self.failure
        return np.concatenate([chunk.codes for chunk in self.chunks], axis=1)

    def error(self) -> Exception:
        assert self.ended.wait(TIMEOUT_S)
        assert self.failure is not None
        return self.failure.error


def make_engine(
    loaded: LanguageModel,
    *,
    slots: int = 4,
    queue: int = 16,
    prefix_bytes: int = 2**24,
    prefill_tokens: int = 16,
    part_characters: int = 300,
    steps_ahead: int = 0,
    prefill_limit: int = 0,
    is_warmed_up: bool = False,
    on_lost: Callable[[], None] = lambda: None,
) -> LmEngine:
    """An engine on a loaded model; not started."""
    runner = ModelRunner(loaded.model, slots, loaded.num_positions)
    runner.steps_ahead, runner.prefill_limit = steps_ahead, prefill_limit
    return LmEngine(
        runner,
        PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks),
        Scheduler(slots, queue, call_slots=0),
        PrefixCache(runner.pool, prefix_bytes),
        prefill_tokens=prefill_tokens,
        part_characters=part_characters,
        is_warmed_up=is_warmed_up,
        on_lost=on_lost,
    )


def say(engine: LmEngine, request: SpeechTask) -> Listener:
    listener = Listener()
    engine.submit(request, listener)
    assert listener.ended.wait(TIMEOUT_S)
    return listener
