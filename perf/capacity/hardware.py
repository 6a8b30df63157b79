"""What a server's work takes on a GPU, modelled from its data sheet; nothing here was measured.

A kernel is taken to be as fast as reading its weights and activations at a share of the memory's rate, or computing at
the same share of the tensor cores' rate, whichever is slower, and each launch to take a fixed time. That share is the
assumption that matters most; the planner answers for several.
"""

import json
import math
from dataclasses import dataclass

from perf.capacity.costs import CodecCosts, Costs, StepCosts, Table
from perf.engine.weights import (
    BYTES_PER_VALUE,
    bytes_per_position,
    decoder_weights,
    lm_weights,
    slow_weights,
    weights_of_a_step,
)
from perf.records import RESULTS

from s1_protocol.sound import FRAMES_PER_SECOND, SAMPLE_RATE_HZ
from s1_training.development.language_model import dev_lm_config
from s1_tts.buckets import row_buckets
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.lm.config import LmConfig
from s1_tts.lm.cuda_graphs import key_buckets
from s1_tts.lm.prefill import PREFILL_TOKENS

CODEC_FLOP_PER_FRAME = 138e9 / FRAMES_PER_SECOND
"""``docs/performance.md``."""

KERNELS: dict[str, int] = json.loads((RESULTS / "kernels.json").read_text(encoding="utf-8"))
"""What language model and codec launch, counted; see :mod:`perf.gpu.kernel_record`."""

GRAPH_KERNEL_S = 1.5e-6
"""A small kernel replayed by a CUDA graph, an estimate: no graph of this project has run on a GPU yet."""

CODEC_PASSES = 1 + 3 * 7
"""Of a block's activations through memory: the upsampling writes them; each of three residual units puts together what
a convolution reads (in, out), convolves it (in, out), and adds the rest to what went around it (twice in, out)."""

SHARED_RATE = 0.5
"""Two processes take turns on a GPU."""

HOP_S = 0.0015
ROUND_S = 0.0004
"""Triton and Python on a server's CPU; this machine's slower cores take about twice as long."""

RESERVE_BYTES = 3e9
"""CUDA contexts, graphs and work space of two processes."""


@dataclass(frozen=True)
class Gpu:
    """Figures of a GPU's data sheet.

    Args:
        name: Its name.
        memory_bytes: Its memory.
        bytes_per_s: Rate of its memory.
        flop_per_s: bfloat16 with float32 sums on tensor cores, dense: without the doubling for sparse weights.
        source: The data sheet.
    """

    name: str
    memory_bytes: float
    bytes_per_s: float
    flop_per_s: float
    source: str


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("A10G", 24e9, 600e9, 70e12, "NVIDIA A10G data sheet (AWS, 2022)"),
        Gpu("L4", 24e9, 300e9, 121e12, "NVIDIA L4 data sheet (2023)"),
        Gpu("L40S", 48e9, 864e9, 362e12, "NVIDIA L40S data sheet (2023)"),
        Gpu("H100", 80e9, 3.35e12, 989e12, "NVIDIA H100 data sheet, SXM (2023)"),
        Gpu("H200", 141e9, 4.8e12, 989e12, "NVIDIA H200 data sheet, SXM (2024)"),
    )
}


def slots_that_fit(gpu: Gpu, positions: int, state_bytes: float = 9e6) -> int:
    """Slots for which the GPU's memory has room.

    Args:
        gpu: The GPU.
        positions: Longest sequence.
        state_bytes: Codec state of a stream.
    """
    lm, codec = dev_lm_config("full"), CodecConfig()
    weights = (lm_weights(lm) + decoder_weights(codec)) * BYTES_PER_VALUE
    return int((gpu.memory_bytes - RESERVE_BYTES - weights) / (positions * bytes_per_position(lm.slow) + state_bytes))


def modelled_costs(gpu: Gpu, efficiency: float, slots: int, positions: int) -> Costs:
    """Costs of a server of S1-mini's published sizes, in bfloat16.

    Args:
        gpu: What it runs on.
        efficiency: Share of the data sheet's rates that kernels reach, over 0 to 1.
        slots: ``S1_MAX_SLOTS``.
        positions: ``S1_CONTEXT_TOKENS``.

    Raises:
        ValueError: the efficiency is out of range.
    """
    if not 0 < efficiency <= 1:
        raise ValueError(f"efficiency: got {efficiency:g}; allowed: over 0, to 1")
    bytes_per_s, flop_per_s = gpu.bytes_per_s * efficiency, gpu.flop_per_s * efficiency
    lm, codec = dev_lm_config("full"), CodecConfig()
    per_position = bytes_per_position(lm.slow)
    tokens = PREFILL_TOKENS["cuda"]
    # A step computes the first slots up to a bucket's number of rows, and over a bucket's number of keys.
    buckets = row_buckets(slots)
    rows = range(1, slots + 1)
    padded = [next(bucket for bucket in buckets if bucket >= count) for count in rows]
    at = (0.0, *map(float, rows))
    base_s = [_step_s(lm, count, bytes_per_s, flop_per_s) for count in padded]
    position_s = [count * per_position / bytes_per_s for count in padded]
    frames = (1.0, 4.0, 16.0, 64.0, 512.0)
    return Costs(
        name=f"{gpu.name}, modelled at {efficiency:.0%} of its data sheet",
        step=StepCosts(Table(at, (base_s[0], *base_s)), Table(at, (0.0, *position_s)), tuple(key_buckets(positions))),
        round_s=ROUND_S,
        prefill_s=Table(
            (1.0, float(tokens)),
            tuple(_prefill_s(lm, count, bytes_per_s, flop_per_s) for count in (1, tokens)),
        ),
        codec=CodecCosts(Table(frames, tuple(_codec_s(codec, n, bytes_per_s, flop_per_s) for n in frames)), 0.0),
        lm_rate=SHARED_RATE,
        codec_rate=SHARED_RATE,
        hop_s=HOP_S,
        prefill_tokens=tokens,
        codec_batch_frames=0,
    )


def _step_s(config: LmConfig, num_rows: int, bytes_per_s: float, flop_per_s: float) -> float:
    """A decode step at position 0: each weight is read once a use, the fast ones once a codebook."""
    used = weights_of_a_step(config)
    work_s = max(used * BYTES_PER_VALUE / bytes_per_s, 2 * num_rows * used / flop_per_s)
    return work_s + KERNELS["launches_of_a_step"] * GRAPH_KERNEL_S


def _prefill_s(config: LmConfig, num_tokens: int, bytes_per_s: float, flop_per_s: float) -> float:
    weights = slow_weights(config)
    launches_s = KERNELS["launches_of_a_prefill"] * GRAPH_KERNEL_S
    return max(weights * BYTES_PER_VALUE / bytes_per_s, 2 * num_tokens * weights / flop_per_s) + launches_s


def _codec_s(config: CodecConfig, num_frames: float, bytes_per_s: float, flop_per_s: float) -> float:
    """Codec time of some frames of any number of streams, in one piece; rows that are rounded up are not counted."""
    values = 0.0
    channels, rate = config.decoder_dim, SAMPLE_RATE_HZ / math.prod(config.decoder_rates)
    for factor in config.decoder_rates:
        channels, rate = channels // 2, rate * factor
        values += channels * rate * CODEC_PASSES
    moved = decoder_weights(config) + values * num_frames / FRAMES_PER_SECOND
    work_s = max(moved * BYTES_PER_VALUE / bytes_per_s, num_frames * CODEC_FLOP_PER_FRAME / flop_per_s)
    return work_s + KERNELS["launches_of_a_codec_piece"] * GRAPH_KERNEL_S
