"""The language model on CUDA: graphs change nothing, nobody depends on neighbours, and a step waits once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from s1_tts.lm.cuda_graphs import BucketedDecode, GraphedDecode
from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.lm.runner import ModelRunner
from tests.gpu.speaking import NUM_FRAMES, at_step, decode, open_rows

NUM_POSITIONS = 1024


@pytest.fixture(scope="module")
def loaded(mid_checkpoint: Path, device: torch.device) -> LanguageModel:
    return load_language_model(mid_checkpoint, device, torch.float32, num_positions=NUM_POSITIONS)


def test_graphs_equal_the_eager_step(loaded: LanguageModel, cuda: torch.device) -> None:
    slots = [0, 1, 3]
    results = []
    for step_class in (BucketedDecode, GraphedDecode):
        runner = ModelRunner(loaded.model, 4, NUM_POSITIONS, use_cuda_graphs=False)
        begin = open_rows(runner, loaded, slots)
        stepper = step_class(loaded.model, runner.state, runner.pool)
        frames = []
        for step in range(NUM_FRAMES):
            rows = at_step(begin, step)
            runner.state.draw_noise(rows)
            with torch.inference_mode():
                frames.append(stepper.decode(rows)[slots].cpu().numpy())
        results.append(np.array(frames))
    np.testing.assert_array_equal(results[0], results[1])


def test_a_row_is_the_same_alone_and_in_a_batch(loaded: LanguageModel, cuda: torch.device) -> None:
    """Not rehearsed: a CPU takes minutes for so many frames."""
    slots = list(range(8))
    runner = ModelRunner(loaded.model, 8, NUM_POSITIONS)
    runner.warm_up()
    together = decode(runner, open_rows(runner, loaded, slots))
    for slot in slots:
        alone = decode(runner, open_rows(runner, loaded, [slot]))
        np.testing.assert_array_equal(alone[:, 0], together[:, slot])


def test_a_step_waits_for_the_device_once(loaded: LanguageModel, cuda: torch.device) -> None:
    runner = ModelRunner(loaded.model, 4, NUM_POSITIONS)
    runner.warm_up()
    begin = open_rows(runner, loaded, [0, 1])
    for step in range(2):
        runner.decode(at_step(begin, step))
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning, match="synchroniz") as waits:
            runner.decode(at_step(begin, 2))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(waits) == 1


def test_greedy_codes_equal_the_cpu(loaded: LanguageModel, mid_checkpoint: Path) -> None:
    on_cpu = load_language_model(mid_checkpoint, torch.device("cpu"), torch.float32, num_positions=NUM_POSITIONS)
    results = []
    for model in (loaded, on_cpu):
        runner = ModelRunner(model.model, 2, NUM_POSITIONS)
        results.append(decode(runner, open_rows(runner, model, [1])))
    np.testing.assert_array_equal(results[0], results[1])


def test_bfloat16_decodes(mid_checkpoint: Path, device: torch.device) -> None:
    model = load_language_model(mid_checkpoint, device, torch.bfloat16, num_positions=NUM_POSITIONS)
    runner = ModelRunner(model.model, 8, NUM_POSITIONS)
    runner.warm_up()
    codes = decode(runner, open_rows(runner, model, list(range(8))))
    assert codes.min() >= 0
    assert codes[..., 1:].max() < model.model.config.num_residual_codes
