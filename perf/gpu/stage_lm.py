"""Speed of the language model's steps and prefills, and what they launch."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from perf.gpu.stage import NUM_POSITIONS, Stage
from perf.gpu.timing import first_ms, guarded, random_lm, tell, timed_ms
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling

if TYPE_CHECKING:
    from s1_tts.lm.fused.runner import FusedRunner

ROWS = (1, 8, 16, 32, 64)
POSITIONS = (200, 2000)
TOKENS = (3, 17, 64, 65, 256)
REPEATS = (30, 3)
"""Calls that are timed, and calls before them."""
REHEARSED_ROWS, REHEARSED_POSITIONS, REHEARSED_TOKENS, REHEARSED_REPEATS = (1, 2), (20,), (3,), (1, 0)


def run(stage: Stage) -> None:
    """Time the kernels, and torch's layers beside them; a rehearsal has the latter alone."""
    slots = 64 if stage.is_cuda else 2
    with torch.inference_mode():
        model = random_lm(stage.device, stage.dtype, stage.size, NUM_POSITIONS)
        if stage.is_cuda:
            with guarded("kernels"):
                from s1_tts.lm.fused.runner import FusedRunner  # noqa: PLC0415  # a missing Triton costs this part alone

                _time(stage, "kernels", FusedRunner(model, slots, NUM_POSITIONS))
        with guarded("torch"):
            _time(stage, "torch", ModelRunner(model, min(8, slots), NUM_POSITIONS))


def _time(stage: Stage, name: str, runner: "ModelRunner | FusedRunner") -> None:
    device, slots = stage.device, runner.pool.num_slots
    tell(**{f"{name}_warm_up_s": first_ms(device, runner.warm_up) / 1e3})
    if stage.is_cuda:
        memory = {"reserved_gb": torch.cuda.memory_reserved(device) / 1e9, "pool_gb": runner.pool.size_bytes / 1e9}
        tell(**{f"{name}_memory": memory})
    column = np.zeros(1 + runner.model.config.num_codebooks, dtype=np.int64)
    for slot in range(slots):
        runner.open(slot, Sampling(seed=slot))
        runner.start(slot, column)
    if stage.is_cuda:
        runner.pool.keys.normal_()
        runner.pool.values.normal_()
    for tokens in TOKENS if stage.is_cuda else REHEARSED_TOKENS:
        columns = np.repeat(column[:, None], tokens, axis=1)
        first = first_ms(device, partial(runner.prefill, 0, columns, 0))
        repeats = (5, 1) if stage.is_cuda else REHEARSED_REPEATS
        then = timed_ms(device, partial(runner.prefill, 0, columns, 0), *repeats)
        tell(**{f"{name}_prefill_{tokens}": {"first_ms": first, "then_ms": then}})
    for count in (count for count in (ROWS if stage.is_cuda else REHEARSED_ROWS) if count <= slots):
        for position in POSITIONS if stage.is_cuda else REHEARSED_POSITIONS:
            rows = [Row(slot, position) for slot in range(count)]
            ms = timed_ms(device, partial(runner.decode, rows), *(REPEATS if stage.is_cuda else REHEARSED_REPEATS))
            figures = {"ms": ms, "frames_per_s": round(count / ms * 1e3)}
            if runner.steps_ahead:
                ahead_ms = _ahead_ms(stage, runner, rows)
                figures |= {"ahead_ms": ahead_ms, "ahead_frames_per_s": round(count / ahead_ms * 1e3)}
            tell(**{f"{name}_step_{count}_at_{position}": figures})
    if stage.is_cuda:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            runner.decode([Row(slot, 200) for slot in range(8)])
            torch.cuda.synchronize(device)
        table = profile.key_averages().table(sort_by="cuda_time_total", row_limit=40, max_name_column_width=80)
        Path(stage.out, f"profile_{name}.txt").write_text(table, encoding="utf-8")


def _ahead_ms(stage: Stage, runner: "ModelRunner | FusedRunner", rows: list[Row]) -> float:
    """Milliseconds of a step among many, each launched before the last one is read."""
    count = 40 if stage.is_cuda else 2

    def many() -> None:
        runner.launch(rows)
        for _ in range(count - 1):
            runner.launch(rows)
            runner.collect()
        runner.collect()

    repeats = (5, 1) if stage.is_cuda else (1, 0)
    return round(timed_ms(stage.device, many, *repeats) / count, 4)
