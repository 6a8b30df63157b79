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

    What ended after the first end, over the time since then, is the rate, also with many jobs at once. Where all ended
    within the time that one takes, that says nothing, and they are counted from the first one's beginning.

    Args:
        recent: ``BEGAN ENDED CHARACTERS`` of jobs, times in Unix ms.
    """
    entries = sorted((int(began), int(ended), int(characters)) for began, ended, characters in map(str.split, recent))
    if not entries:
        return None
    first_ms = min(ended for _, ended, _ in entries)
    longest_ms = max(ended - began for began, ended, _ in entries)
    if max(ended for _, ended, _ in entries) - first_ms < longest_ms:
        first_ms = entries[0][0]
    counted = [entry for entry in entries if entry[1] > first_ms] or entries
    busy_ms, until_ms = 0, first_ms
    for began_ms, ended_ms, _ in counted:
        busy_ms += max(0, ended_ms - max(began_ms, until_ms))
        until_ms = max(until_ms, ended_ms)
    busy_s = max(busy_ms, 1) / 1000
    return Rate(len(counted) / busy_s, sum(characters for _, _, characters in counted) / busy_s)
