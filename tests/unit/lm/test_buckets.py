"""The fixed-shape decode that CUDA graphs capture, run eagerly on the CPU, equals the row-by-row one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from s1_tts.buckets import row_buckets
from s1_tts.lm.cuda_graphs import BucketedDecode, key_buckets
from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.lm.prompt import PromptBuilder
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling

NUM_FRAMES = 12
TEXTS = ("Hello.", "Another text that is longer.", "A third one.")
CPU = torch.device("cpu")
SLOTS = (0, 2, 3)  # slot 1 is free: its row computes for nobody


@pytest.fixture(scope="module")
def tiny_model(tiny_folder: Path) -> LanguageModel:
    """With torch's layers, which are what graphs capture."""
    return load_language_model(tiny_folder, CPU, torch.float32, num_positions=1024, use_native=False)


def prepared(loaded: LanguageModel) -> tuple[ModelRunner, list[int]]:
    runner = ModelRunner(loaded.model, 5, loaded.num_positions)
    builder = PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks)
    positions = []
    for slot, text in zip(SLOTS, TEXTS, strict=True):
        columns = builder.first_part(text)
        runner.open(slot, Sampling(seed=slot, temperature=0.0 if slot == 2 else 0.9))
        runner.prefill(slot, columns[:, :-1], start=0)
        runner.start(slot, columns[:, -1])
        positions.append(columns.shape[1] - 1)
    return runner, positions


def test_bucketed_decode_equals_spans(tiny_model: LanguageModel) -> None:
    spans, positions = prepared(tiny_model)
    buckets, _ = prepared(tiny_model)
    bucketed = BucketedDecode(tiny_model.model, buckets.state, buckets.pool)
    for step in range(NUM_FRAMES):
        rows = [Row(slot, position + step) for slot, position in zip(SLOTS, positions, strict=True)]
        expected = [frame.codes for frame in spans.decode(rows)]
        buckets.state.draw_noise(rows)
        with torch.inference_mode():
            frames = bucketed.decode(rows)
        np.testing.assert_array_equal(frames.numpy()[list(SLOTS)], np.stack(expected))


def test_a_row_that_does_not_decode_leaves_its_keys_alone(tiny_model: LanguageModel) -> None:
    runner, positions = prepared(tiny_model)
    bucketed = BucketedDecode(tiny_model.model, runner.state, runner.pool)
    before = runner.pool.keys[:, 2, :-1].clone()
    with torch.inference_mode():
        bucketed.decode([Row(3, positions[2])])
    torch.testing.assert_close(runner.pool.keys[:, 2, :-1], before, rtol=0, atol=0)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 64])
def test_buckets_cover_every_size(count: int) -> None:
    assert row_buckets(count)[-1] == count
    assert row_buckets(count) == sorted(set(row_buckets(count)))
    assert key_buckets(8193)[-1] == 8193
