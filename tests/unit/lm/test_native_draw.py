"""The compiled draw gives the codes that torch gives, row by row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s1_tts.lm.native import native_draw
from s1_tts.lm.native.installation import PROGRAM
from s1_tts.lm.native.native_draw import NativeDraw
from s1_tts.lm.sampling import NO_CODE, PENALTY_WINDOW_FRAMES, RowSampling, gumbel, sample_codes
from s1_tts.native.compiler import load_library


@pytest.fixture(scope="module")
def draw():
    library = load_library(PROGRAM)
    if library is None:
        pytest.skip("needs a C++ compiler")
    return NativeDraw(library)


def options(rows: int, generator: torch.Generator) -> RowSampling:
    """Of each row, as a step has them: columns of one tensor."""
    table = torch.rand(rows, 3, generator=generator)
    table[:, 0] = table[:, 0] * 2 * (table[:, 0] > 0.2)
    table[:, 1] = (table[:, 1] * 1.3 + 0.01).clamp(max=1)
    table[:, 2] = table[:, 2] + 0.6
    return RowSampling(*table.unbind(1))


def step_of(seed: int, rows: int, candidates: int, spread: float) -> tuple[Tensor, RowSampling, Tensor, Tensor]:
    """Arguments of a draw that lie in memory as a step's do."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, candidates, generator=generator) * spread
    window = torch.randint(NO_CODE, candidates, (rows, 3, PENALTY_WINDOW_FRAMES), generator=generator)[:, 1]
    noise = gumbel(torch.rand(rows, candidates + 8, generator=generator))[:, 8:]
    return logits, options(rows, generator), window, noise


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    rows=st.sampled_from([1, 3, 8]),
    candidates=st.sampled_from([2, 15, 16, 100, 1024, 4097]),
    spread=st.sampled_from([0.01, 1.0, 4.0, 30.0]),
)
def test_the_codes_are_torchs(draw, seed: int, rows: int, candidates: int, spread: float) -> None:
    arguments = step_of(seed, rows, candidates, spread)
    assert draw(*arguments).tolist() == sample_codes(*arguments).tolist()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31), candidates=st.sampled_from([5, 40]))
def test_of_codes_with_the_same_logit_the_same_one_wins(draw, seed: int, candidates: int) -> None:
    logits, sampling, window, noise = step_of(seed, 4, candidates, 2.0)
    noise = noise.round()
    assert (
        draw(logits.round(), sampling, window, noise).tolist()
        == sample_codes(logits.round(), sampling, window, noise).tolist()
    )


def test_at_the_edge_of_the_nucleus_torch_decides(draw, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(native_draw, "sample_codes", lambda *given: asked.append(given) or sample_codes(*given))
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    noise = torch.tensor([[0.0, 50.0, 0.0]])  # the second code wins if it may
    window = torch.full((1, PENALTY_WINDOW_FRAMES), NO_CODE)

    def drawn(top_p: float) -> int:
        one = torch.ones(1)
        return int(draw(logits, RowSampling(one, one * top_p, one), window, noise))

    assert (drawn(0.81), drawn(0.79), len(asked)) == (1, 0, 0)
    drawn(0.8)
    assert len(asked) == 1


def test_logits_that_are_no_numbers_end(draw) -> None:
    logits, sampling, window, noise = step_of(0, 3, 100, 1.0)
    logits[0], logits[1, 5], logits[2, 7] = torch.nan, torch.nan, torch.inf
    codes = draw(logits, sampling, window, noise)
    assert ((codes >= 0) & (codes < 100)).all()
