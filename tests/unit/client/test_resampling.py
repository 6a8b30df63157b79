"""Sound that is brought to another rate in pieces is the sound that is brought there whole."""

import itertools

import numpy as np
import pytest
import soxr

from s1_client.resampling import Resampler


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_resampling_in_chunks_equals_resampling_at_once(rate_hz: int) -> None:
    samples = (np.sin(np.arange(30_000) / 30) * 9000).astype(np.int16)
    cuts = [0, 100, 2048, 9000, 9000, 30_000]
    resampler = Resampler(rate_hz)
    parts = [resampler.convert(samples[a:b], is_last=b == 30_000) for a, b in itertools.pairwise(cuts)]
    whole = np.concatenate(parts)
    expected = samples if rate_hz == 44_100 else soxr.resample(samples, 44_100, rate_hz)
    assert whole.dtype == np.int16
    assert len(whole) == len(expected)
    np.testing.assert_allclose(whole, expected, atol=2)


def test_an_empty_last_piece_gives_what_was_held_back() -> None:
    samples = (np.sin(np.arange(30_000) / 30) * 9000).astype(np.int16)
    resampler = Resampler(24_000)
    parts = [resampler.convert(samples, is_last=False), resampler.convert(samples[:0], is_last=True)]
    assert len(parts[1]) > 0
    np.testing.assert_allclose(np.concatenate(parts), soxr.resample(samples, 44_100, 24_000), atol=2)
