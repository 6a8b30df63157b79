"""The draw in one kernel gives the codes of ``sample_codes``, and its noise is numpy's."""

import numpy as np
import pytest
import torch
import triton

from s1_tts.lm.fused.kernels.draw import draw
from s1_tts.lm.fused.rows import RowTable, TableRow
from s1_tts.lm.noise import BLOCK, FrameNoise, NoiseLayout
from s1_tts.lm.sampling import NO_CODE, PENALTY_WINDOW_FRAMES, RowSampling, gumbel, sample_codes
from s1_tts.speech_task import Sampling
from tests.unit.kernels.noise_kernel import write_uniform

NUM_CODEBOOKS = 3
DIM = 8


@pytest.mark.parametrize(("seed", "frame"), [(0, 0), (12345, 7), (2**63 - 1, 4095)])
def test_the_noise_is_numpys(seed: int, frame: int) -> None:
    out = torch.zeros(64)
    write_uniform[(1,)](out, seed, frame, 3, count=64)
    np.testing.assert_array_equal(out.numpy(), FrameNoise(512).draw(seed, frame)[24:88])


def test_noise_is_uniform_and_differs_by_seed_and_frame() -> None:
    noise = FrameNoise(80_000)
    numbers = noise.draw(1, 0)
    counts, _ = np.histogram(numbers, bins=10, range=(0, 1))
    np.testing.assert_allclose(counts, 8_000, rtol=0.05)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    for other in (noise.draw(2, 0), noise.draw(1, 1)):
        assert abs(np.corrcoef(numbers, other)[0, 1]) < 0.02
    np.testing.assert_array_equal(numbers, noise.draw(1, 0))


class Draws:
    """Rows that draw a code of one codebook, with windows of any age."""

    def __init__(self, num_rows: int, num_candidates: int, codebook: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        random = np.random.default_rng(seed)
        self.codebook, self.num_candidates = codebook, num_candidates
        self.logits = torch.randn(num_rows, num_candidates, generator=generator) * 3
        self.samplings = [
            Sampling(
                temperature=float(random.choice([0.0, 0.3, 0.8, 1.7])),
                top_p=float(random.choice([0.05, 0.5, 0.9, 1.0])),
                repetition_penalty=float(random.choice([0.7, 1.0, 1.3])),
                seed=int(random.integers(2**63)),
            )
            for _ in range(num_rows)
        ]
        self.ages = random.integers(0, 40, num_rows)
        self.latest = random.integers(0, num_candidates - 1, (num_rows, 40))
        self.layout = NoiseLayout(num_candidates, num_candidates, NUM_CODEBOOKS)
        self.sound = torch.ones(num_rows, dtype=torch.int32)
        self.frames = torch.zeros(num_rows, NUM_CODEBOOKS, dtype=torch.int32)
        self.columns = torch.zeros(num_rows, 1 + NUM_CODEBOOKS, dtype=torch.int64)
        self.embeddings = torch.randn(num_candidates, DIM, generator=generator)
        self.first = torch.randn(num_rows, DIM, generator=generator)
        self.inputs = torch.zeros(num_rows, 2 if codebook == 0 else 1, DIM)
        self.window = torch.zeros(num_rows, NUM_CODEBOOKS, PENALTY_WINDOW_FRAMES, dtype=torch.int64)
        for row, age in enumerate(self.ages):
            for frame in range(age):
                self.window[row, codebook, frame % PENALTY_WINDOW_FRAMES] = int(self.latest[row, frame])

    def expected(self) -> torch.Tensor:
        options = RowSampling(
            *(
                torch.tensor([getattr(sampling, name) for sampling in self.samplings])
                for name in ("temperature", "top_p", "repetition_penalty")
            )
        )
        windows = torch.full((len(self.samplings), PENALTY_WINDOW_FRAMES), NO_CODE)
        for row, age in enumerate(self.ages):
            kept = self.latest[row, max(0, age - PENALTY_WINDOW_FRAMES) : age]
            windows[row, PENALTY_WINDOW_FRAMES - len(kept) :] = torch.from_numpy(kept)
        begin = self.layout.begin(self.codebook)
        noise = FrameNoise(self.layout.size)
        uniforms = np.stack(
            [noise.draw(sampling.seed, row)[begin : begin + self.num_candidates] for row, sampling in self._numbered()]
        )
        return sample_codes(self.logits.clone(), options, windows, gumbel(torch.from_numpy(uniforms)))

    def run(self) -> None:
        table = RowTable(len(self.samplings), NUM_CODEBOOKS, torch.device("cpu"))
        column = np.zeros(1 + NUM_CODEBOOKS, dtype=np.int64)
        table.fill([TableRow(1, row, column, int(self.ages[row]), row, sampling) for row, sampling in self._numbered()])
        draw[(len(self.samplings),)](
            *(self.logits, table.rows, table.options, self.window, self.columns, self.frames, self.sound),
            *(self.embeddings, self.first, self.inputs),
            *(table.width, self.codebook, self.layout.begin(self.codebook) // BLOCK, 1000),
            IS_FIRST=self.codebook == 0,
            IS_LAST=self.codebook == NUM_CODEBOOKS - 1,
            NUM_CODEBOOKS=NUM_CODEBOOKS,
            CANDIDATES=self.num_candidates,
            BLOCK=triton.next_power_of_2(self.num_candidates),
            WINDOW=PENALTY_WINDOW_FRAMES,
            DIM=DIM,
            BLOCK_DIM=DIM,
        )

    def _numbered(self) -> list[tuple[int, Sampling]]:
        return list(enumerate(self.samplings))


@pytest.mark.parametrize(("codebook", "num_candidates"), [(0, 4097), (1, 1024), (2, 100)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_draw_equals_torchs(codebook: int, num_candidates: int, seed: int) -> None:
    draws = Draws(8, num_candidates, codebook, seed)
    expected = draws.expected()
    draws.run()
    np.testing.assert_array_equal(draws.frames[:, codebook], expected)


def test_what_follows_from_a_draw() -> None:
    """The next column, the window's ring, and the fast transformer's input; an end is told, and embedded as a code."""
    draws = Draws(4, 4097, 0, seed=3)
    draws.logits[1, 4096] = 1e4  # this row ends
    draws.run()
    told = draws.frames[:, 0].long()
    assert told[1] == 4096
    codes = told.clamp(max=4095)
    np.testing.assert_array_equal(draws.columns[:, 0], 1000 + codes)
    np.testing.assert_array_equal(draws.columns[:, 1], codes)
    places = torch.tensor(draws.ages % PENALTY_WINDOW_FRAMES)
    np.testing.assert_array_equal(draws.window[torch.arange(4), 0, places], codes)
    np.testing.assert_array_equal(draws.inputs[:, 0], draws.first)
    np.testing.assert_array_equal(draws.inputs[:, 1], draws.embeddings[codes])


@pytest.mark.parametrize("fault", [float("nan"), float("inf"), float("-inf")])
def test_a_row_with_a_logit_that_is_not_finite_is_unsound_and_no_other(fault: float) -> None:
    draws = Draws(3, 100, NUM_CODEBOOKS - 1, seed=4)
    draws.logits[1, 7] = fault
    draws.sound[2] = 0  # an earlier codebook of this row was not
    draws.frames[:, 0] = 5
    draws.run()
    np.testing.assert_array_equal(draws.frames[:, 0], [5, -1, -1])
