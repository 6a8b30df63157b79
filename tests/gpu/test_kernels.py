"""The language model by kernels on CUDA: torch's codes, the same bits in any company, and nothing that waits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Runner
from tests.gpu.speaking import at_step, decode, open_rows

NUM_POSITIONS = 2048


@pytest.fixture(scope="module")
def loaded(mid_checkpoint: Path) -> LanguageModel:
    return load_language_model(mid_checkpoint, torch.device("cuda"), torch.float32, num_positions=NUM_POSITIONS)


@pytest.fixture(scope="module")
def fused(loaded: LanguageModel) -> Runner:
    from s1_tts.lm.fused.runner import FusedRunner  # noqa: PLC0415  # needs Triton

    runner = FusedRunner(loaded.model, 32, loaded.num_positions)
    runner.warm_up()
    return runner


def test_codes_are_those_of_torchs_layers(fused: Runner, loaded: LanguageModel) -> None:
    slots = [0, 1, 3, 18]
    plain = ModelRunner(loaded.model, 32, loaded.num_positions, use_cuda_graphs=False)
    by_torch = decode(plain, open_rows(plain, loaded, slots))
    np.testing.assert_array_equal(decode(fused, open_rows(fused, loaded, slots)), by_torch)


def test_a_row_has_the_same_codes_alone_and_in_any_company(fused: Runner, loaded: LanguageModel) -> None:
    """Alone a graph of 16 rows is replayed, together one of 32."""
    together = decode(fused, open_rows(fused, loaded, list(range(32))))
    for slot in (0, 5, 15, 31):
        np.testing.assert_array_equal(decode(fused, open_rows(fused, loaded, [slot]))[:, 0], together[:, slot])


def test_a_launch_and_a_prefill_wait_for_nothing(fused: Runner, loaded: LanguageModel) -> None:
    rows = open_rows(fused, loaded, [0, 1])
    torch.cuda.set_sync_debug_mode("error")
    try:
        fused.launch(rows)
        open_rows(fused, loaded, [2])
        fused.launch(at_step(rows, 1))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    fused.collect()
    fused.collect()
