"""Where the time of a decode step goes: slow and fast transformer, sampling, and the codec beside it.

    python -m perf step --checkpoint DIR [--rows 8] [--device cpu]

Timers stand around the real functions while the real runner decodes. All times are per decode step, of as many frames
as there are rows; "other in the step" is what the step takes beyond its parts. On CUDA the parts are timed without
graphs, one by one; the step as it is served stands beside them. What Triton and transport add is measured by
``python -m perf bench``.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import ParamSpec, TypeVar

import torch
from perf.engine.ready import ReadyLm, chunks
from perf.measurement import add_subject, in_turns, recorder

from s1_tts.codec.batch_policy import CPU_BATCH_FRAMES, DEFAULT_MAX_BATCH
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.device import limit_threads, resolve_device, resolve_dtype
from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Row

PARTS = {"slow": "slow transformer", "fast": "fast transformer", "sampling": "sampling"}
WARM_UP_STEPS = 3
CHUNK_FRAMES = 16
"""Frames of a chunk, for the codec's share of a step."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class StepFigures:
    """Where a step's time goes; medians, in seconds.

    Args:
        rows: Streams decoded at once.
        parts: Seconds by part; those of the step, and the codec for as many frames.
        served_s: The step as it is served: without timers, and on CUDA as one graph.
    """

    rows: int
    parts: dict[str, float]
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
        (runner.model, "sample", "sampling"),
    )
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, part in places:
        setattr(owner, name, timer.watched(part, getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def step_parts(loaded: LanguageModel, rows: int, position: int, steps: int) -> tuple[dict[str, float], float]:
    """Time the parts of a step, and the step as it is served.

    Args:
        loaded: The language model.
        rows: Streams decoded at once.
        position: Position of the first step.
        steps: Steps that are timed.
    """
    timer = PartTimer(loaded.model.device)
    served = ReadyLm(loaded, rows).runner
    watched = ReadyLm(loaded, rows, use_cuda_graphs=False).runner
    served_s: list[float] = []
    watched_s: list[float] = []
    by_step: list[dict[str, float]] = []
    for step in range(WARM_UP_STEPS + steps):  # in turns, so that a busy machine slows both alike
        of_step = [Row(slot, position + step) for slot in range(rows)]
        served_s.append(_seconds(served, of_step, timer))
        timer.seconds = {}
        with watching(timer, watched):
            watched_s.append(_seconds(watched, of_step, timer))
        by_step.append(timer.seconds)
    parts = {name: median(times[part] for times in by_step[WARM_UP_STEPS:]) for part, name in PARTS.items()}
    parts["other in the step"] = median(watched_s[WARM_UP_STEPS:]) - sum(parts.values())
    return parts, median(served_s[WARM_UP_STEPS:])


def _seconds(runner: ModelRunner, rows: list[Row], timer: PartTimer) -> float:
    started_s = timer.now_s()
    runner.decode(rows)
    return timer.now_s() - started_s


def codec_s(decoder: StreamingDecoder, rows: int, repeats: int) -> float:
    """Seconds that the codec takes for the frames of one step: a frame a row, decoded in chunks."""
    most = CPU_BATCH_FRAMES // CHUNK_FRAMES if decoder.device.type == "cpu" else DEFAULT_MAX_BATCH
    batch = min(rows, most)
    (times,) = in_turns([chunks(decoder, [CHUNK_FRAMES] * batch)], repeats, warm_up=WARM_UP_STEPS)
    return median(times) / (batch * CHUNK_FRAMES) * rows


def measure(arguments: argparse.Namespace) -> StepFigures:
    """Time the language model's parts, then the codec."""
    device = resolve_device(arguments.device)
    dtype = resolve_dtype(arguments.dtype, device)
    num_positions = arguments.position + arguments.steps + WARM_UP_STEPS + 1
    loaded = load_language_model(arguments.checkpoint, device, dtype, num_positions)
    parts, served_s = step_parts(loaded, arguments.rows, arguments.position, arguments.steps)
    decoder = StreamingDecoder.load(arguments.checkpoint, device, dtype)
    parts["codec"] = codec_s(decoder, arguments.rows, max(5, arguments.steps // 5))
    return StepFigures(arguments.rows, parts, served_s)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, has_dtype=True, threads=1)
    parser.add_argument("--rows", type=int, default=8, help="streams decoded at once (%(default)s)")
    parser.add_argument("--position", type=int, default=200, help="position of the timed steps (%(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="steps timed (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measure, record and print."""
    limit_threads(arguments.threads)
    made = recorder("step", arguments)
    figures = measure(arguments)
    made.record(arguments.checkpoint.name, figures)
    for name, part_s in figures.parts.items():
        print(f"{name:>20}  {part_s * 1e3:8.2f} ms")
    print(f"{'all':>20}  {sum(figures.parts.values()) * 1e3:8.2f} ms; recorded in {made.file}")
