"""Channels to one, without loss of what they hold."""

from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

_WINDOW_S: Final = 0.25
_CANCELLED: Final = 0.5
"""Energy of a mix below this share of what unrelated channels would give: the channels cancel each other out."""
_AS_LOUD: Final = 0.99
_ALONE: Final = 0.95
"""Share of the energy that makes a channel the only one: a dead side only halves the level."""
_TOLERATED_CANCELLATION: Final = 0.1
"""Share of a recording's energy in windows that cancel, from which mixing is given up."""


def mixed(channels: Samples, rate_hz: int) -> Samples:
    """One channel of several: their mean, or the loudest where it is the only one or the mean would cancel them out.

    A cable of balanced sound, or a plug wired wrongly, gives the same sound twice with opposite signs; its mean is
    silence.

    Args:
        channels: ``[channels, N]``.
        rate_hz: Samples a second.

    Returns:
        ``[N]``
    """
    if len(channels) == 1:
        only: Samples = channels[0]
        return only
    mix: Samples = channels.mean(axis=0, dtype=np.float32)
    energies = _energies(channels, rate_hz)  # [channels, windows]
    totals = energies.sum(axis=1)
    loudest = np.flatnonzero(totals >= _AS_LOUD * totals.max())[0]  # of equals, the first
    is_alone = energies[loudest].sum() > _ALONE * energies.sum()
    unrelated = energies.sum(axis=0) / len(channels) ** 2  # [windows]
    of_mix = _energies(mix[None], rate_hz)[0]
    cancelled = unrelated[of_mix < _CANCELLED * unrelated].sum()
    is_cancelled = cancelled > _TOLERATED_CANCELLATION * unrelated.sum()
    chosen: Samples = channels[loudest] if is_alone or is_cancelled else mix
    return chosen


def _energies(channels: Samples, rate_hz: int) -> Samples:
    """Energy of each window of each channel ``[channels, windows]``."""
    window = max(1, int(_WINDOW_S * rate_hz))
    starts = np.arange(0, channels.shape[1], window)
    return np.asarray(np.add.reduceat(np.square(channels), starts, axis=1), dtype=np.float32)
