"""Measure what a server's work takes on this machine, part by part and without a server.

Each part is computed by itself, its median counts: decode steps by rows and position, pieces of a prompt, chunks of
the codec by frames and streams, what the engine adds to a step, and how much slower each model is while the other one
computes in a process of its own, as on a server. What is compared is measured in turns, so that a machine that is
slower for a while is slower for all of it.
"""

import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median
from typing import Literal, Self

import torch
from perf.capacity.costs import CodecCosts, Costs, StepCosts, Table
from perf.engine.ready import Call, ReadyLm, chunks
from perf.errors import MeasurementError
from perf.measurement import in_turns

from s1_tts.codec.batch_policy import CPU_BATCH_FRAMES, CPU_PIECE_FRAMES
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.device import limit_threads, resolve_device, resolve_dtype
from s1_tts.lm.cuda_graphs import key_buckets
from s1_tts.lm.engine import LmEngine
from s1_tts.lm.loading import load_language_model
from s1_tts.lm.prefill import PREFILL_TOKENS
from s1_tts.settings import Settings
from s1_tts.speech_task import Sampling, SpeechTask
from s1_tts.stream_events import CodesChunk, StreamFailed

NEAR, FAR = 100, 1000
"""Positions of the steps that are measured."""

CODEC_FRAMES = (1, 4, 8, 16, 32, 64)
CODEC_BATCHES = ((4,) * 4, (4,) * 8, (8,) * 4)
CODEC_CHUNK_FRAMES = 16
"""An ordinary chunk, for the measurement of how the two models slow each other down."""

ROUND_FRAMES = 60
TEXT = "A sentence of ordinary words, long enough for a while, that somebody says to a friend of theirs. " * 2
NEIGHBOUR_WARM_UP_S = 60.0
NEIGHBOUR_SWITCH_S = 0.1
"""Time in which the neighbour has surely seen that it should go on or rest; its pieces of work are shorter."""

CALLS_A_ROUND = 5

Part = Literal["lm", "codec"]


@dataclass(frozen=True)
class Subject:
    """What is measured; it travels to the neighbouring process.

    Args:
        checkpoint: Folder of the checkpoint.
        device: ``S1_DEVICE``.
        dtype: ``S1_DTYPE``.
        slots: ``S1_MAX_SLOTS``.
        positions: Longest sequence; over ``FAR``.
        rounds: Turns in which everything is called a few times; the median of all calls counts.
    """

    checkpoint: Path
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    slots: int = 8
    positions: int = 2048
    rounds: int = 12

    def language_model(self) -> ReadyLm:
        """Load the language model."""
        limit_threads(0)
        device = resolve_device(self.device)
        dtype = resolve_dtype(self.dtype, device)
        return ReadyLm(load_language_model(self.checkpoint, device, dtype, self.positions), self.slots)

    def codec(self) -> StreamingDecoder:
        """Load the codec."""
        limit_threads(0)
        device = resolve_device(self.device)
        return StreamingDecoder.load(self.checkpoint, device, resolve_dtype(self.dtype, device))


def medians_s(calls: Sequence[Call], rounds: int, device: torch.device | None = None) -> list[float]:
    """Median time of each of several calls, made in turns."""
    return [median(taken) for taken in in_turns(calls, rounds, calls_a_round=CALLS_A_ROUND, device=device)]


def calibrate(subject: Subject, hop_s: float) -> Costs:
    """Measure everything but the way through Triton.

    Args:
        subject: What is measured.
        hop_s: That way, measured on a server.
    """
    device = resolve_device(subject.device)
    is_cuda = device.type == "cuda"
    round_s = _round_s(subject)
    lm = subject.language_model()
    rows = [count for count in (1, 2, 4, 8, 16, 32, 64, 128, 256) if count < subject.slots] + [subject.slots]
    tokens = PREFILL_TOKENS[device.type]
    prefill_at = (1, tokens // 4, tokens)
    steps = [lm.step(count, position) for position in (NEAR, FAR) for count in rows]
    times_s = medians_s([*steps, *(lm.prefill(count) for count in prefill_at)], subject.rounds, device)
    near_s, far_s, prefill_s = times_s[: len(rows)], times_s[len(rows) : len(steps)], times_s[len(steps) :]
    slopes = [max(0.0, far - near) / (FAR - NEAR) for near, far in zip(near_s, far_s, strict=True)]
    bases = [near - slope * NEAR for near, slope in zip(near_s, slopes, strict=True)]
    lm_rate = _rate_beside(subject, "codec", lm.step(subject.slots, NEAR))
    del lm, steps
    codec = subject.codec()
    batches = [*((count,) for count in CODEC_FRAMES), *CODEC_BATCHES]
    times_s = medians_s([chunks(codec, frames) for frames in batches], subject.rounds)
    single_s = _table(CODEC_FRAMES, times_s[: len(CODEC_FRAMES)])
    together = zip(CODEC_BATCHES, times_s[len(CODEC_FRAMES) :], strict=True)
    more_s = [(batch_s - single_s(sum(frames))) / (len(frames) - 1) for frames, batch_s in together]
    codec_rate = _rate_beside(subject, "lm", chunks(codec, [CODEC_CHUNK_FRAMES]))
    return Costs(
        name=f"{subject.checkpoint.name}, {subject.dtype}, measured on {device.type}",
        step=StepCosts(
            _table(rows, bases), _table(rows, slopes), tuple(key_buckets(subject.positions)) if is_cuda else ()
        ),
        round_s=round_s,
        prefill_s=_table(prefill_at, prefill_s),
        codec=CodecCosts(single_s, max(0.0, median(more_s))),
        lm_rate=lm_rate,
        codec_rate=codec_rate,
        hop_s=hop_s,
        prefill_tokens=tokens,
        codec_batch_frames=0 if is_cuda else CPU_BATCH_FRAMES,
        codec_piece_frames=0 if is_cuda else CPU_PIECE_FRAMES,
    )


def _table(at: Sequence[float], values: Sequence[float]) -> Table:
    """A table through the points; a single one holds everywhere."""
    if len(at) == 1:
        return Table((0.0, float(at[0])), (values[0], values[0]))
    return Table(tuple(map(float, at)), tuple(values))


def _round_s(subject: Subject) -> float:
    """Time that the engine adds to a step of all slots: what is left of a run when steps and prompts are taken off."""
    settings = Settings(
        checkpoint=subject.checkpoint,
        device=subject.device,
        dtype=subject.dtype,
        max_slots=subject.slots,
        call_slots=0,
        context_tokens=subject.positions,
    )
    engine = LmEngine.load(settings)
    ended = threading.Semaphore(0)

    def take(event: CodesChunk | StreamFailed) -> None:
        if isinstance(event, StreamFailed) or event.is_last:
            ended.release()

    for seed in range(subject.slots):
        engine.submit(SpeechTask(TEXT, Sampling(seed=seed), max_frames=ROUND_FRAMES), take)
    started_s = time.perf_counter()
    engine.start()
    for _ in range(subject.slots):
        ended.acquire()
    elapsed_s = time.perf_counter() - started_s
    timings = engine.drain_timings()
    engine.close()
    return max(0.0, elapsed_s - sum(timings.step_s) - sum(timings.prefill_s)) / len(timings.step_s)


class Neighbour:
    """The other model in a process of its own, which computes without a pause while it should."""

    def __init__(self, subject: Subject, part: Part) -> None:
        context = multiprocessing.get_context("spawn")
        self._is_warm, self._is_over, self._is_working = context.Event(), context.Event(), context.Event()
        events = (self._is_warm, self._is_over, self._is_working)
        self._process = context.Process(target=_work, args=(subject, part, *events), daemon=True)
        self._process.start()

    def __enter__(self) -> Self:
        """Wait until it can compute."""
        if not self._is_warm.wait(NEIGHBOUR_WARM_UP_S):
            self._process.terminate()
            raise MeasurementError(f"the neighbouring model was not ready after {NEIGHBOUR_WARM_UP_S:g} s")
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._is_working.set()
        self._process.join()

    def switch(self, *, is_working: bool) -> None:
        """Let it compute, or rest."""
        if is_working:
            self._is_working.set()
        else:
            self._is_working.clear()
        time.sleep(NEIGHBOUR_SWITCH_S)


def _rate_beside(subject: Subject, part: Part, call: Call) -> float:
    """Speed of a call beside the other model, over its speed alone."""
    alone_s, beside_s = [], []
    with Neighbour(subject, part) as neighbour:
        for _ in range(subject.rounds):
            neighbour.switch(is_working=False)
            alone_s += medians_s([call], 1)
            neighbour.switch(is_working=True)
            beside_s += medians_s([call], 1)
    return min(1.0, median(alone_s) / median(beside_s))


def _work(subject: Subject, part: Part, is_warm: Event, is_over: Event, is_working: Event) -> None:
    call = (
        chunks(subject.codec(), [CODEC_CHUNK_FRAMES])
        if part == "codec"
        else subject.language_model().step(subject.slots, NEAR)
    )
    call()
    is_warm.set()
    while is_working.wait() and not is_over.is_set():
        call()
