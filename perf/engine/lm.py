"""Speed of the language model alone, beside the reference in the same run.

    python -m perf lm --checkpoint DIR [--device cpu] [--dtype auto]

Frames per second are of decode steps at a given position, the best of several steps: on a shared machine the best is
the nearest to what the code costs. With compiled layers, int8 weights are measured in turns with the dtype's own, and
torch's layers too with ``--beside-torch``; docs/cpu.md has the environment that leaves a newer CPU AVX2 alone.
``floor_ms_batch8`` is what a step of 8 rows would take if it did nothing but read each weight once per use, or nothing
but multiply, whichever is longer, at rates measured in the same run.
"""

import argparse
import gc
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from perf.engine.ready import ReadyLm
from perf.engine.reference import DEFAULT_SAMPLING
from perf.engine.weights import weights_of_a_step
from perf.measurement import add_subject, best_s, in_turns, recorder

from s1_tts.device import resolve_device, resolve_dtype
from s1_tts.lm.loading import load_language_model
from s1_tts.lm.model import DualArModel
from s1_tts.lm.native.native_layers import NativeStack
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling

NEAR, FAR = 200, 2000
NUM_POSITIONS = 2304
FEW_ROWS, MOST_ROWS = 8, 32
PREFILL_TOKENS = 128


@dataclass
class LmFigures:
    """Figures of the language model; rates are in frames per second of all rows together, times in milliseconds."""

    dtype: str
    layers: str
    batch1_frames_per_s: float
    batch8_frames_per_s: float
    batch16_frames_per_s: float | None
    batch32_frames_per_s: float | None
    step_ms_batch8: float
    step_ms_batch8_far: float
    far_over_near: float
    prefill_ms_per_token: float
    kv_pool_mb: float
    weights_mb: float
    resident_mb: float
    memory_growth_mb: float | None
    read_gb_per_s: float
    gflop_per_s: float
    floor_ms_batch8: float
    reference_frames_per_s: float | None
    batch8_over_reference: float | None
    int8_batch1_frames_per_s: float | None = None
    int8_batch8_frames_per_s: float | None = None
    int8_prefill_ms_per_token: float | None = None
    int8_weights_mb: float | None = None
    torch_batch1_frames_per_s: float | None = None
    torch_batch8_frames_per_s: float | None = None
    torch_prefill_ms_per_token: float | None = None
    instructions: str | None = None


def growth_mb(ready: ReadyLm, num_requests: int) -> float:
    """Growth of the process over short requests, in MB, after a tenth of them has warmed it up."""
    before = 0.0
    runner, columns = ready.runner, ready.columns
    for index in range(num_requests):
        slot = index % FEW_ROWS
        if index == num_requests // 10:
            before = _resident_mb()
        runner.open(slot, Sampling(seed=index))
        runner.prefill(slot, columns[:, :-1], start=0)
        runner.start(slot, columns[:, -1])
        runner.decode([Row(slot, columns.shape[1] - 1)])
    return _resident_mb() - before


def floor_s(model: DualArModel, num_rows: int, read_bytes_per_s: float, flop_per_s: float) -> float:
    """Seconds that a step of ``num_rows`` rows takes at least."""
    used = weights_of_a_step(model.config)
    return max(used * model.dtype.itemsize / read_bytes_per_s, 2 * num_rows * used / flop_per_s)


def read_rate(device: torch.device) -> float:
    """Bytes per second at which memory is read."""
    data = torch.ones(2**28 if device.type == "cuda" else 2**26, device=device)
    return data.nbytes / best_s(lambda: data.sum().item(), 7)


def multiply_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of a large matrix product."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / best_s(lambda: (a @ b).sum().item(), 5)


def reference_rate(folder: Path, num_frames: int, dtype: torch.dtype) -> float:
    """Frames per second of fish-speech 0.1.0, its context cut to 1024 positions; batch 1 is its only batch."""
    from tests.reference import reference_llama  # noqa: PLC0415  # needs the development extra

    model: Any = reference_llama(folder).to(dtype)
    from fish_speech.models.text2semantic.inference import generate  # noqa: PLC0415  # importable only by now

    model.config.max_seq_len = 1024
    prompt = torch.zeros(1 + model.config.num_codebooks, NEAR, dtype=torch.int)
    times = []
    for frames in (1, 1 + num_frames):  # the difference leaves the prompt out
        started_s = time.perf_counter()
        produced = generate(
            model=model,
            prompt=prompt,
            max_new_tokens=frames + 1,
            audio_masks=None,
            audio_parts=None,
            **DEFAULT_SAMPLING,
        )
        times.append((time.perf_counter() - started_s, int(produced.shape[1])))
    (short_s, short_frames), (long_s, long_frames) = times
    return (long_frames - short_frames) / (long_s - short_s)


def measure(arguments: argparse.Namespace) -> LmFigures:
    """Run all measurements."""
    device = resolve_device(arguments.device)
    dtype = resolve_dtype(arguments.dtype, device)
    # First, so that the two models are never in memory together.
    reference = None
    if not arguments.alone:
        reference = reference_rate(arguments.checkpoint, arguments.reference_frames, dtype)
        gc.collect()
    use_native = not arguments.torch_layers
    loaded = load_language_model(arguments.checkpoint, device, dtype, NUM_POSITIONS, use_native=use_native)
    most_rows = FEW_ROWS if arguments.beside_torch else MOST_ROWS  # three models and their pools in memory
    ready = ReadyLm(loaded, most_rows)
    as_bytes = by_torch = None
    if use_native and isinstance(loaded.model.layers, NativeStack):
        as_bytes = load_language_model(arguments.checkpoint, device, dtype, NUM_POSITIONS, as_bytes=True)
        if arguments.beside_torch:
            by_torch = load_language_model(arguments.checkpoint, device, dtype, NUM_POSITIONS, use_native=False)
    everyone = [ready, *(ReadyLm(each, most_rows) for each in (as_bytes, by_torch) if each)]
    repeats = arguments.repeats
    near_of_all = {
        rows: [min(times) for times in in_turns([each.step(rows, NEAR) for each in everyone], repeats)]
        for rows in (1, FEW_ROWS, 16, MOST_ROWS)
        if rows <= most_rows
    }
    near = {rows: times[0] for rows, times in near_of_all.items()}
    far_s = best_s(ready.step(8, FAR), repeats)
    prefills = in_turns([each.prefill(PREFILL_TOKENS) for each in everyone], 3, device=device)
    prefill_s = min(prefills[0])
    read, flops = read_rate(device), multiply_rate(device, dtype)
    growth = growth_mb(ready, arguments.memory_requests) if arguments.memory_requests else None
    rate8 = 8 / near[8]
    return LmFigures(
        dtype=str(dtype).removeprefix("torch."),
        layers="compiled" if isinstance(loaded.model.layers, NativeStack) else "torch's",
        batch1_frames_per_s=1 / near[1],
        batch8_frames_per_s=rate8,
        batch16_frames_per_s=16 / near[16] if 16 in near else None,
        batch32_frames_per_s=MOST_ROWS / near[MOST_ROWS] if MOST_ROWS in near else None,
        step_ms_batch8=near[8] * 1e3,
        step_ms_batch8_far=far_s * 1e3,
        far_over_near=far_s / near[8],
        prefill_ms_per_token=prefill_s / PREFILL_TOKENS * 1e3,
        kv_pool_mb=ready.runner.pool.size_bytes / 1e6,
        weights_mb=loaded.weight_bytes / 1e6,
        resident_mb=_memory_mb(device),
        memory_growth_mb=growth,
        read_gb_per_s=read / 1e9,
        gflop_per_s=flops / 1e9,
        floor_ms_batch8=floor_s(loaded.model, 8, read, flops) * 1e3,
        reference_frames_per_s=reference,
        batch8_over_reference=rate8 / reference if reference else None,
        int8_batch1_frames_per_s=1 / near_of_all[1][1] if as_bytes else None,
        int8_batch8_frames_per_s=8 / near_of_all[8][1] if as_bytes else None,
        int8_prefill_ms_per_token=min(prefills[1]) / PREFILL_TOKENS * 1e3 if as_bytes else None,
        int8_weights_mb=as_bytes.weight_bytes / 1e6 if as_bytes else None,
        torch_batch1_frames_per_s=1 / near_of_all[1][-1] if by_torch else None,
        torch_batch8_frames_per_s=8 / near_of_all[8][-1] if by_torch else None,
        torch_prefill_ms_per_token=min(prefills[-1]) / PREFILL_TOKENS * 1e3 if by_torch else None,
        instructions=torch.backends.cpu.get_cpu_capability() if by_torch else None,
    )


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def _memory_mb(device: torch.device) -> float:
    return torch.cuda.memory_allocated(device) / 1e6 if device.type == "cuda" else _resident_mb()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, has_dtype=True, threads=0)
    parser.add_argument("--torch-layers", action="store_true", help="as on a CPU without a C++ compiler")
    parser.add_argument("--beside-torch", action="store_true", help="compiled layers in turns with torch's")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="leave fish-speech out")
    parser.add_argument("--reference-frames", type=int, default=12)
    parser.add_argument("--memory-requests", type=int, default=0, help="e.g. 1000; 0: leave out")


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    made = recorder("lm", arguments)
    figures = measure(arguments)
    layers = ", torch's layers" if arguments.torch_layers else ""
    instructions = f", {figures.instructions}" if figures.instructions else ""
    made.print_and_record(f"{arguments.checkpoint.name}, {figures.dtype}{layers}{instructions}", figures)
