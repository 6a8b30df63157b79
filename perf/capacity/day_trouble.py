"""Days on which something goes wrong, gone through with the plans that were found for a good one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from perf.capacity.day import Day
from perf.capacity.fleet_day import CALM, DayFared, Plan, run_day
from perf.capacity.keda import Scaling
from perf.capacity.machines import Pool
from perf.capacity.trouble import Outage, SpotWave, Trouble

WAVE_AFTER_S = 120.0
"""After the burst has begun: where most spot machines are, and are needed."""

OUTAGE_BEFORE_S, OUTAGE_S = 600.0, 3600.0
"""Prometheus is away from so long before the burst, for so long."""

HELP_AFTER_S = 300.0
"""A person sees the wave and lets pods run on demand."""


@dataclass(frozen=True)
class Case:
    """A day on which something goes wrong.

    Args:
        name: In words.
        trouble: What it is.
        fallback: Fewest pods while Prometheus does not answer.
    """

    name: str
    trouble: Trouble
    fallback: int


@dataclass(frozen=True)
class Suffered:
    """How such a day went.

    Args:
        gpu: Kind of GPU.
        plan: Which of the plans, in words.
        case: What went wrong, in words.
        fared: How it went.
    """

    gpu: str
    plan: str
    case: str
    fared: DayFared


def outages(day: Day, fallbacks: tuple[int, ...]) -> Iterator[Case]:
    """Prometheus is away over the burst, with each of the fallbacks."""
    begins_s = day.burst_at_s - OUTAGE_BEFORE_S
    trouble = Trouble(outage=Outage(begins_s, begins_s + OUTAGE_S))
    for fallback in fallbacks:
        yield Case(f"Prometheus is away for an hour, fallback {fallback}", trouble, fallback)


def waves(day: Day) -> Iterator[Case]:
    """All spot machines go at once in the burst."""
    wave = SpotWave(day.burst_at_s + WAVE_AFTER_S)
    name = f"all spot machines go, none for {wave.none_for_s / 60:g} minutes"
    yield Case(name, Trouble(wave), 1)
    helped = Trouble(replace(wave, kept_after_s=HELP_AFTER_S))
    yield Case(f"the same, on demand after {HELP_AFTER_S / 60:g} minutes", helped, 1)


def cases(day: Day, warm: int, most: int) -> list[Case]:
    """All days of jobs that are gone through."""
    fallbacks = tuple(dict.fromkeys((max(1, warm), math.ceil(most / 2))))
    return [Case("nothing", CALM, 1), *waves(day), *outages(day, fallbacks)]


def suffer(gpu: str, words: str, day: Day, pool: Pool, plan: Plan, case: Case, seed: int) -> Suffered:
    """Go through such a day.

    Args:
        gpu: Kind of GPU.
        words: Of the plan.
        day: What is asked for.
        pool: What runs.
        plan: How many.
        case: What goes wrong.
        seed: Of the day and its losses.
    """
    scaling = plan.scaling
    if isinstance(scaling, Scaling):
        plan = replace(plan, scaling=replace(scaling, fallback=case.fallback))
    return Suffered(gpu, words, case.name, run_day(day, pool, plan, seed, case.trouble)[0])
