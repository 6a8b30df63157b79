"""A day's load: what comes each second, by the hours of the day and one burst."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from perf.capacity.workload import Notes, Peak

DAY_S = 86_400

HOURS = (2, 1, 1, 1, 1, 3, 10, 25, 40, 45, 45, 50, 60, 55, 45, 45, 50, 60, 75, 90, 100, 80, 40, 12)
"""How busy each hour is beside the busiest one: an assumption, the shape of a chat in one time zone."""


@dataclass(frozen=True)
class Day:
    """When notes are asked for.

    Args:
        users: People.
        notes_a_user: Notes of each over the day, without the burst.
        burst: All people ask for one more, as at the end of a match.
        burst_at_s: When it begins.
        notes: What is asked for.
        hours: How busy each hour is.
    """

    users: int = 50_000
    notes_a_user: float = 10.0
    burst: Peak = field(default_factory=lambda: Peak(50_000, 300.0, 10_000 / 60))
    burst_at_s: float = 20 * 3600.0
    notes: Notes = field(default_factory=Notes)
    hours: tuple[float, ...] = HOURS

    def rates_per_s(self) -> npt.NDArray[np.float64]:
        """Notes a second for each second, shape [86 400]: between the middles of hours it changes evenly."""
        middles = (np.arange(-1, 25) + 0.5) * 3600
        weights = np.array([self.hours[-1], *self.hours, self.hours[0]])
        shape = np.interp(np.arange(DAY_S) + 0.5, middles, weights)
        rates = shape * (self.users * self.notes_a_user / shape.sum())
        for second in range(int(self.burst_at_s), min(DAY_S, int(self.burst_at_s + self.burst.length_s))):
            rates[second] += self.burst.rate_per_s(second + 0.5 - self.burst_at_s)
        return np.asarray(rates)

    def arrivals(self, seed: int) -> npt.NDArray[np.int64]:
        """Notes that come in each second, shape [86 400]: Poisson."""
        return np.random.default_rng(seed).poisson(self.rates_per_s()).astype(np.int64)
