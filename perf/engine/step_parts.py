"""Time of a decode step's parts in this process: timers around the real functions, while the real runner decodes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal, ParamSpec, TypeVar

import torch

from s1_tts.codec.batch_policy import CPU_BATCH_FRAMES, DEFAULT_MAX_BATCH
from s1_tts.codec.pcm import to_pcm16
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.device import limit_threads, resolve_device, resolve_dtype
from s1_tts.lm import decode
from s1_tts.lm.loading import load_language_model
from s1_tts.lm.prompt import PromptBuilder
from s1_tts.lm.runner import ModelRunner, Row
from s1_tts.speech_task import Sampling

PARTS = ("slow", "fast", "sampling")
WARM_UP_STEPS = 3
CHUNK_FRAMES = 16
"""Frames of a chunk, for the codec's share of a step."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Subject:
    """What is profiled.

    Args:
        checkpoint: Folder of the checkpoint.
        device: ``S1_DEVICE``.
        dtype: ``S1_DTYPE``.
        threads: ``S1_THREADS``.
        rows: Streams decoded at once.
        position: Position of the steps.
        steps: Steps that are timed.
    """

    checkpoint: Path
    device: str
    dtype: Literal["auto", "float32", "bfloat16"]
    threads: int
    rows: int
    position: int
    steps: int


@dataclass(frozen=True)
class StepParts:
    """Medians over the steps, in seconds.

    Args:
        slow_s: The slow transformer, its head included.
        fast_s: The fast transformer, once a codebook.
        sampling_s: Drawing of codes, random numbers included.
        step_s: The whole step with the timers in it.
        served_s: The whole step as it is served: without timers, and on CUDA as one graph.
    """

    slow_s: float
    fast_s: float
    sampling_s: float
    step_s: float
    served_s: float


class PartTimer:
    """Seconds spent in the functions that are watched.

    Args:
        device: Where they compute; a CUDA device is waited for at both ends, so its launches do not overlap.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds: dict[str, float] = {}

    def now_s(self) -> float:
        """Time, once the device has done what it was given."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def watched(self, part: str, function: Callable[P, R]) -> Callable[P, R]:
        """A function that adds its time to a part."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            started_s = self.now_s()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[part] = self.seconds.get(part, 0.0) + self.now_s() - started_s

        return timed


@contextmanager
def watching(timer: PartTimer, runner: ModelRunner) -> Iterator[None]:
    """Put timers around the parts of the runner's steps."""
    places: tuple[tuple[object, str, str], ...] = (
        (runner.model, "forward_slow", "slow"),
        (runner.model, "semantic_logits", "slow"),
        (runner.model, "start_frame", "fast"),
        (runner.model, "residual_logits", "fast"),
        (runner.state, "draw_noise", "sampling"),
        (decode, "sample_codes", "sampling"),
    )
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, part in places:
        setattr(owner, name, timer.watched(part, getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def step_parts(subject: Subject) -> StepParts:
    """Time a step's parts."""
    limit_threads(subject.threads)
    device = resolve_device(subject.device)
    dtype = resolve_dtype(subject.dtype, device)
    num_positions = subject.position + subject.steps + WARM_UP_STEPS + 1
    loaded = load_language_model(subject.checkpoint, device, dtype, num_positions)
    columns = PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks).first_part("Hello there.")

    def ready(*, use_cuda_graphs: bool) -> ModelRunner:
        runner = ModelRunner(loaded.model, subject.rows, loaded.num_positions, use_cuda_graphs=use_cuda_graphs)
        runner.warm_up()
        for slot in range(subject.rows):
            runner.open(slot, Sampling(seed=slot))
            runner.start(slot, columns[:, -1])
        return runner

    timer = PartTimer(device)
    served, watched = ready(use_cuda_graphs=True), ready(use_cuda_graphs=False)
    served_s: list[float] = []
    watched_s: list[float] = []
    parts: list[dict[str, float]] = []
    for step in range(WARM_UP_STEPS + subject.steps):  # in turns, so that a busy machine slows both alike
        rows = [Row(slot, subject.position + step) for slot in range(subject.rows)]
        served_s.append(_seconds(served, rows, timer))
        timer.seconds = {}
        with watching(timer, watched):
            watched_s.append(_seconds(watched, rows, timer))
        parts.append(timer.seconds)
    by_part = {part: median(seconds[part] for seconds in parts[WARM_UP_STEPS:]) for part in PARTS}
    return StepParts(
        by_part["slow"],
        by_part["fast"],
        by_part["sampling"],
        median(watched_s[WARM_UP_STEPS:]),
        median(served_s[WARM_UP_STEPS:]),
    )


def _seconds(runner: ModelRunner, rows: list[Row], timer: PartTimer) -> float:
    started_s = timer.now_s()
    runner.decode(rows)
    return timer.now_s() - started_s


def codec_s(subject: Subject) -> float:
    """Seconds that the codec takes for the frames of one step: a frame a row, decoded in chunks."""
    limit_threads(subject.threads)
    device = resolve_device(subject.device)
    decoder = StreamingDecoder.load(subject.checkpoint, device, resolve_dtype(subject.dtype, device))
    most = CPU_BATCH_FRAMES // CHUNK_FRAMES if device.type == "cpu" else DEFAULT_MAX_BATCH
    batch = min(subject.rows, most)
    states = [decoder.new_state() for _ in range(batch)]
    codes = [torch.zeros(decoder.config.num_codebooks, CHUNK_FRAMES, dtype=torch.int64) for _ in range(batch)]
    times = []
    for _ in range(WARM_UP_STEPS + max(5, subject.steps // 5)):
        started_s = time.perf_counter()
        for row in decoder.decode(states, codes):
            to_pcm16(row)  # this waits for the device
        times.append(time.perf_counter() - started_s)
    return median(times[WARM_UP_STEPS:]) / (batch * CHUNK_FRAMES) * subject.rows
