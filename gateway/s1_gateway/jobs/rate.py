"""How fast jobs are done, of what ended lately."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """What workers do while they have something to do.

    Args:
        jobs_per_s: Jobs.
        characters_per_s: Characters of their texts.
    """

    jobs_per_s: float
    characters_per_s: float


def rate_of(recent: Sequence[str]) -> Rate | None:
    """Measure a rate over the time in which something was done; times without work do not count.

    Args:
        recent: ``BEGAN ENDED CHARACTERS`` of jobs, times in Unix ms.
    """
    entries = sorted((int(began), int(ended), int(characters)) for began, ended, characters in map(str.split, recent))
    if not entries:
        return None
    busy_ms, until_ms = 0, 0
    for began_ms, ended_ms, _ in entries:
        busy_ms += max(0, ended_ms - max(began_ms, until_ms))
        until_ms = max(until_ms, ended_ms)
    busy_s = max(busy_ms, 1) / 1000
    return Rate(len(entries) / busy_s, sum(characters for _, _, characters in entries) / busy_s)
