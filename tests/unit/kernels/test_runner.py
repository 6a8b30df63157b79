"""The runner by kernels: what it captures, and how it goes on a step ahead."""

from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest

from s1_tts.lm.fused import runner as module
from s1_tts.lm.fused.runner import PREFILL_SIZES, FusedRunner
from s1_tts.lm.model import DualArModel
from s1_tts.lm.stepping import PromptPiece, Row
from tests.unit.kernels.test_step import model  # noqa: F401  # a fixture

NUM_SLOTS = 40
NUM_POSITIONS = 40


class Captures:
    """Stands for captures, and for replays."""

    def __init__(self) -> None:
        self.replayed: list[object] = []

    def capture(self, run: Callable[[], None]) -> Callable[[], None]:
        run()
        return lambda: self.replayed.append(run.args)  # type: ignore[attr-defined]  # a partial


@pytest.fixture
def runner(model: DualArModel) -> FusedRunner:  # noqa: F811
    """A runner whose kernels compute nothing."""
    with mock.patch.object(module.FusedStep, "run"), mock.patch.object(module.FusedPrefill, "run"):
        runner = FusedRunner(model, NUM_SLOTS, NUM_POSITIONS)
        runner._capture = Captures()
        runner.warm_up()
        yield runner


def test_every_size_is_captured_the_largest_first(runner: FusedRunner) -> None:
    assert list(runner._steps) == [40, 32, 16]
    assert list(runner._prefills) == sorted(PREFILL_SIZES, reverse=True)


@pytest.mark.parametrize(("slots", "rows"), [([0], 16), ([15], 16), ([3, 16], 32), ([39], 40)])
def test_a_step_is_the_smallest_graph_that_holds_its_slots(runner: FusedRunner, slots: list[int], rows: int) -> None:
    runner.launch([Row(slot, 5, 0) for slot in slots])
    assert runner._capture.replayed == [(rows,)]
    assert len(runner.collect()) == len(slots)


def test_prompts_go_in_one_graph_as_far_as_they_fit(runner: FusedRunner) -> None:
    """Each begins at a multiple of the attention's rows; what is over goes in another graph."""
    columns = np.zeros((1 + runner.model.config.num_codebooks, 250), dtype=np.int64)
    pieces = [PromptPiece(slot, columns[:, :length], 0) for slot, length in enumerate((3, 50, 100, 100, 200))]
    runner.prefill_pieces(pieces)
    assert runner._capture.replayed == [(256,), (128,), (256,)]


def test_a_piece_that_fits_in_no_graph_is_refused(runner: FusedRunner) -> None:
    columns = np.zeros((1 + runner.model.config.num_codebooks, 257), dtype=np.int64)
    with pytest.raises(ValueError, match="257 columns; allowed: 256"):
        runner.prefill_pieces([PromptPiece(0, columns, 0)])


def test_two_steps_may_be_on_their_way(runner: FusedRunner) -> None:
    """Each has the frames that were there when it was launched."""
    for number in (1, 2):
        runner._step.frames.fill_(number)
        runner.launch([Row(0, 4 + number, number)])
    assert [int(runner.collect()[0].codes[0]) for _ in range(2)] == [1, 2]
