import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from s1_tts.lm.sampling import NO_CODE, PENALTY_WINDOW_FRAMES, RowSampling, gumbel, sample_codes


def options(temperature: float = 1.0, top_p: float = 1.0, penalty: float = 1.0, rows: int = 1) -> RowSampling:
    return RowSampling(*(torch.full((rows,), value) for value in (temperature, top_p, penalty)))


def empty_window(rows: int = 1) -> torch.Tensor:
    return torch.full((rows, PENALTY_WINDOW_FRAMES), NO_CODE)


def noise_like(logits: torch.Tensor, seed: int) -> torch.Tensor:
    return gumbel(torch.rand(logits.shape, generator=torch.Generator().manual_seed(seed)))


def draw(logits: torch.Tensor, sampling: RowSampling, count: int) -> np.ndarray:
    rows = logits.expand(count, -1)
    many = RowSampling(*(value.expand(count) for value in vars(sampling).values()))
    return sample_codes(rows, many, empty_window(count), noise_like(rows.contiguous(), 0)).numpy()


def test_temperature_zero_is_greedy() -> None:
    logits = torch.tensor([[0.0, 3.0, 2.9]])
    assert set(draw(logits, options(temperature=0.0), 100)) == {1}


def test_draws_follow_the_probabilities() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.2]])
    counts = np.bincount(draw(probabilities.log(), options(), 20_000), minlength=3) / 20_000
    np.testing.assert_allclose(counts, probabilities[0], atol=0.02)


def test_temperature_sharpens_after_the_nucleus_is_cut() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.2]])
    sharpened = probabilities**2 / (probabilities**2).sum()
    counts = np.bincount(draw(probabilities.log(), options(temperature=0.5), 20_000), minlength=3) / 20_000
    np.testing.assert_allclose(counts, sharpened[0], atol=0.02)


def test_nucleus_drops_what_passes_its_mass_but_never_the_likeliest() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    assert set(draw(logits, options(top_p=0.85), 2000)) == {0, 1}
    assert set(draw(logits, options(top_p=0.1), 2000)) == {0}


def test_penalty_divides_positive_and_multiplies_negative_logits() -> None:
    logits = torch.tensor([[2.0, 1.5, -1.0, -1.5]])
    window = empty_window()
    window[0, -1] = 0
    chosen = sample_codes(logits, options(temperature=0.0, penalty=2.0), window, torch.zeros_like(logits))
    assert chosen.item() == 1  # 2.0 / 2 < 1.5
    window[0, -2:] = torch.tensor([0, 1])
    negative = torch.tensor([[-1.0, -1.5]])
    chosen = sample_codes(negative, options(temperature=0.0, penalty=2.0), window, torch.zeros_like(negative))
    assert chosen.item() == 0  # -2 > -3


def test_an_empty_window_changes_nothing() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    noise = noise_like(logits, 1)
    plain = sample_codes(logits, options(rows=4), empty_window(4), noise)
    penalised = sample_codes(logits, options(penalty=1.9, rows=4), empty_window(4), noise)
    assert torch.equal(plain, penalised)


@pytest.mark.parametrize("rows", [2, 8])
@given(seed=st.integers(0, 1000))
def test_a_row_is_drawn_as_if_it_were_alone(rows: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 40, generator=generator) * 3
    sampling = RowSampling(
        temperature=torch.rand(rows, generator=generator) * 2 * (torch.rand(rows, generator=generator) > 0.3),
        top_p=torch.rand(rows, generator=generator) * 0.99 + 0.01,
        repetition_penalty=torch.rand(rows, generator=generator) * 1.5 + 0.5,
    )
    window = torch.randint(-1, 40, (rows, PENALTY_WINDOW_FRAMES), generator=generator)
    noise = noise_like(logits, seed)
    together = sample_codes(logits, sampling, window, noise)
    for row in range(rows):
        one = slice(row, row + 1)
        alone = RowSampling(sampling.temperature[one], sampling.top_p[one], sampling.repetition_penalty[one])
        assert sample_codes(logits[one], alone, window[one], noise[one]).item() == together[row].item()
