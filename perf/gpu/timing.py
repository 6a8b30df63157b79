"""Times of work on a device, and models with random weights that need no file."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import torch

from perf.gpu.stages import MARK
from s1_training.development.language_model import dev_lm_config
from s1_tts.cuda import GraphCapture
from s1_tts.lm.model import DualArModel

NUM_SEMANTIC = 4096
NUM_UNUSED_IDS = 22


def tell(**figures: object) -> None:
    """Say what was found, at once."""
    print(MARK + json.dumps(figures), flush=True)


def wait(device: torch.device) -> None:
    """Wait until a device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed_ms(device: torch.device, call: Callable[[], object], repeats: int = 20, warm_up: int = 3) -> float:
    """Median of calls that are each waited for, in milliseconds."""
    for _ in range(warm_up):
        call()
    times = []
    for _ in range(repeats):
        wait(device)
        started_s = time.perf_counter()
        call()
        wait(device)
        times.append(time.perf_counter() - started_s)
    return round(median(times) * 1e3, 4)


def first_ms(device: torch.device, call: Callable[[], object]) -> float:
    """One call, in milliseconds."""
    return timed_ms(device, call, repeats=1, warm_up=0)


def replayed_us(device: torch.device, call: Callable[[], object], count: int) -> float:
    """Microseconds of one of ``count`` equal pieces of work that a call launches, as a graph on a GPU."""
    if device.type != "cuda":
        return round(timed_ms(device, call, repeats=1, warm_up=0) * 1e3 / count, 3)
    return round(timed_ms(device, GraphCapture(device).capture(call)) * 1e3 / count, 3)


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Let a part of a stage fail alone; its figure says why."""
    try:
        yield
    except Exception as fault:
        tell(**{name: f"failed: {type(fault).__name__}: {str(fault)[:300]}"})
        if isinstance(fault, torch.AcceleratorError):
            raise


def random_lm(device: torch.device, dtype: torch.dtype, size: str, num_positions: int) -> DualArModel:
    """The language model of a development checkpoint's sizes, its weights drawn on the device."""
    config = dev_lm_config(size)
    generator = torch.Generator(device).manual_seed(0)
    with device:
        model = DualArModel(config)
    model.eval().requires_grad_(False)
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.fill_(1.0)
        else:
            weight.normal_(0, 1.0 if "embeddings" in name else weight.shape[-1] ** -0.5, generator=generator)
    model.to(dtype)
    begin = config.vocab_size - NUM_SEMANTIC - NUM_UNUSED_IDS
    model.cut_heads(begin, NUM_SEMANTIC, begin - 11)
    model.make_tables(num_positions + 1)
    return model
