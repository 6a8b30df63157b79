"""The language model on CUDA: graphs change nothing, nobody depends on neighbours, and a step waits once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from s1_tts.lm.cuda_graphs import BucketedDecode, GraphedDecode
from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.lm.prompt import PromptBuilder
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling

TEXTS = ("Hello there.", "Another text, and a longer one at that.", "A third.", "The fourth one of them.")
NUM_FRAMES = 30


@pytest.fixture(scope="module")
def loaded(mid_checkpoint: Path) -> LanguageModel:
    return load_language_model(mid_checkpoint, torch.device("cuda"), torch.float32, num_positions=1024)


def open_rows(runner: ModelRunner, loaded: LanguageModel, slots: list[int]) -> list[int]:
    builder = PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks)
    positions = []
    for slot in slots:
        columns = builder.first_part(TEXTS[slot % len(TEXTS)])
        runner.open(slot, Sampling(seed=slot, temperature=0.0 if slot % 2 else 0.9))
        runner.prefill(slot, columns[:, :-1], start=0)
        runner.start(slot, columns[:, -1])
        positions.append(columns.shape[1] - 1)
    return positions


def decode(runner: ModelRunner, slots: list[int], positions: list[int], num_frames: int) -> np.ndarray:
    frames = []
    for step in range(num_frames):
        rows = [Row(slot, position + step) for slot, position in zip(slots, positions, strict=True)]
        frames.append([frame.codes for frame in runner.decode(rows)])
    return np.array(frames)  # [num_frames, rows, num_codebooks]


def test_graphs_equal_the_eager_step(loaded: LanguageModel) -> None:
    slots = [0, 1, 3]
    results = []
    for step_class in (BucketedDecode, GraphedDecode):
        runner = ModelRunner(loaded.model, 4, 1024, use_cuda_graphs=False)
        positions = open_rows(runner, loaded, slots)
        stepper = step_class(loaded.model, runner.state, runner.pool)
        frames = []
        for step in range(NUM_FRAMES):
            rows = [Row(slot, position + step) for slot, position in zip(slots, positions, strict=True)]
            runner.state.draw_noise(rows)
            with torch.inference_mode():
                frames.append(stepper.decode(rows)[slots].cpu().numpy())
        results.append(np.array(frames))
    np.testing.assert_array_equal(results[0], results[1])


def test_a_row_is_the_same_alone_and_in_a_batch(loaded: LanguageModel) -> None:
    slots = list(range(8))
    runner = ModelRunner(loaded.model, 8, 1024)
    runner.warm_up()
    together = decode(runner, slots, open_rows(runner, loaded, slots), NUM_FRAMES)
    for slot in slots:
        alone = decode(runner, [slot], open_rows(runner, loaded, [slot]), NUM_FRAMES)
        np.testing.assert_array_equal(alone[:, 0], together[:, slot])


def test_a_step_waits_for_the_device_once(loaded: LanguageModel) -> None:
    runner = ModelRunner(loaded.model, 4, 1024)
    runner.warm_up()
    positions = open_rows(runner, loaded, [0, 1])
    decode(runner, [0, 1], positions, 2)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning, match="synchroniz") as waits:
            runner.decode([Row(0, positions[0] + 2), Row(1, positions[1] + 2)])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(waits) == 1


def test_greedy_codes_equal_the_cpu(loaded: LanguageModel, mid_checkpoint: Path) -> None:
    on_cpu = load_language_model(mid_checkpoint, torch.device("cpu"), torch.float32, num_positions=1024)
    results = []
    for model in (loaded, on_cpu):
        runner = ModelRunner(model.model, 2, 1024)
        results.append(decode(runner, [1], open_rows(runner, model, [1]), NUM_FRAMES))
    np.testing.assert_array_equal(results[0], results[1])


def test_bfloat16_decodes(mid_checkpoint: Path) -> None:
    model = load_language_model(mid_checkpoint, torch.device("cuda"), torch.bfloat16, num_positions=1024)
    runner = ModelRunner(model.model, 8, 1024)
    runner.warm_up()
    codes = decode(runner, list(range(8)), open_rows(runner, model, list(range(8))), NUM_FRAMES)
    assert codes.min() >= 0
    assert codes[..., 1:].max() < model.model.config.num_residual_codes
