"""Which thresholds are best: a small search over plans, for the cheapest day whose callers are served in time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from perf.capacity.day import Day
from perf.capacity.fleet_day import Curves, DayFared, Plan, Timetable, run_day
from perf.capacity.hpa import DEFAULT_DOWN, SLOW_DOWN, SLOW_UP
from perf.capacity.keda import Scaling
from perf.capacity.machines import Pool

AHEAD_S = 120.0
"""A timetable asks so much before its pods must be ready."""

SHRINKING = {"at once": DEFAULT_DOWN, "slowly": SLOW_DOWN}
"""How pods go: as Kubernetes does it where nothing is said, and as the chart does it."""


@dataclass(frozen=True)
class DayQuestion:
    """What is to be carried through a day, and what is tried.

    Args:
        day: What is asked for.
        goals_s: Most of the time within which 95 % of the notes are to be spoken; each is answered.
        slots: ``S1_MAX_SLOTS``.
        thresholds: Jobs, waiting and running, that one GPU may have; as multiples of its slots.
        warm: Fewest engines, kept all day.
        headroom: Most engines, beside those that the peak takes.
        efficiency: Share of the data sheet's rates.
        seed: The same seed, the same day.
    """

    day: Day
    goals_s: tuple[float, ...] = (30.0, 400.0)
    slots: int = 32
    thresholds: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 2.0, 4.0, 8.0, 16.0)
    warm: int = 1
    headroom: float = 1.1
    efficiency: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Choice:
    """What is tried.

    Args:
        threshold: Jobs that one GPU may have.
        has_timetable: Whether pods are asked for before the burst.
        shrinking: How pods go, of :data:`SHRINKING`.
        warm: Fewest engines.
    """

    threshold: float
    has_timetable: bool
    shrinking: str
    warm: int

    def plan(self, day: Day, pool: Pool, most: int) -> Plan:
        """The plan that it is, with so many engines at most."""
        scaling = Scaling(self.threshold, least=self.warm, most=most, up=SLOW_UP, down=SHRINKING[self.shrinking])
        if not self.has_timetable:
            return Plan(scaling)
        begins_s = day.burst_at_s - pool.start.seconds - AHEAD_S
        return Plan(scaling, Timetable(begins_s, day.burst_at_s + day.burst.length_s, most))


@dataclass(frozen=True)
class Tried:
    """A choice and how its day went."""

    choice: Choice
    fared: DayFared


@dataclass(frozen=True)
class Found:
    """What was found for one kind of GPU.

    Args:
        gpu: Its kind.
        most: Most engines.
        best: By goal, in the question's order, the cheapest that meets it; None: none does.
        tried: All that was tried.
        to_none: The choice for the last goal that is met, but without an engine where nothing is asked for.
        fixed: As many engines as the most, on kept machines all day.
        minutes: Of the choice for the first goal that is met: longest queue and engines ready, minute by minute.
    """

    gpu: str
    most: int
    best: tuple[Tried | None, ...]
    tried: tuple[Tried, ...]
    to_none: Tried | None
    fixed: DayFared
    minutes: dict[str, list[int]]


def search(question: DayQuestion, gpu: str, pool: Pool) -> Found:
    """Try all choices for one kind of GPU."""
    day = question.day
    peak_audio_s = day.rates_per_s().max() * day.notes.mean_s
    most = max(question.warm, math.ceil(peak_audio_s * question.headroom / pool.rate.full))

    def fare(choice: Choice) -> tuple[Tried, Curves]:
        fared, curves = run_day(day, pool, choice.plan(day, pool, most), question.seed)
        return Tried(choice, fared), curves

    tried = tuple(fare(choice)[0] for choice in _choices(question, pool))
    best = tuple(_cheapest(tried, goal_s) for goal_s in question.goals_s)
    met = [each.choice for each in best if each is not None]
    to_none = fare(replace(met[-1], warm=0))[0] if met else None
    minutes = _minutes(fare(met[0])[1]) if met else {}
    fixed, _ = run_day(day, replace(pool, on_demand=most), Plan(most), question.seed)
    return Found(gpu, most, best, tried, to_none, fixed, minutes)


def _choices(question: DayQuestion, pool: Pool) -> Iterator[Choice]:
    for share in question.thresholds:
        for has_timetable in (False, True):
            for shrinking in SHRINKING:
                yield Choice(share * pool.rate.slots, has_timetable, shrinking, question.warm)


def _cheapest(tried: Sequence[Tried], goal_s: float) -> Tried | None:
    meeting = [each for each in tried if each.fared.done_p95_s <= goal_s and not each.fared.refused_share]
    return min(meeting, key=lambda each: each.fared.cost, default=None)


def _minutes(curves: Curves) -> dict[str, list[int]]:
    waiting = curves.waiting.reshape(-1, 60).max(axis=1)
    ready = curves.ready.reshape(-1, 60).max(axis=1)
    return {"waiting": [round(each) for each in waiting], "ready": [int(each) for each in ready]}
