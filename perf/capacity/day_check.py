"""How far the day's reckoning is from the simulation that goes step by step through the server's own classes."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from perf.capacity.costs import Costs
from perf.capacity.fleet_day import DayFared, Plan, run_fleet
from perf.capacity.machines import Pool
from perf.capacity.parts import ServerShape
from perf.capacity.run import Fared, run_open
from perf.capacity.workload import Notes

LENGTH_S = 600.0
TAIL_S = 600
"""Time for what is left at the end."""


def _half(_at_s: float) -> float:
    return 0.5


def _nine_tenths(_at_s: float) -> float:
    return 0.9


def _burst(at_s: float) -> float:
    return 2.0 if 120 <= at_s < 240 else 0.3


LOADS: dict[str, Callable[[float], float]] = {
    "half of what it can carry": _half,
    "nine tenths": _nine_tenths,
    "two minutes of twice as much": _burst,
}
"""What comes, as a share of what one engine can carry."""


@dataclass(frozen=True)
class Check:
    """One engine under a load, twice: step by step with the server's own classes, and as the day reckons.

    Args:
        gpu: Kind of GPU.
        load: What came, of :data:`LOADS`.
        notes: How many.
        step: Step by step: how the callers fared.
        day: As the day reckons.
    """

    gpu: str
    load: str
    notes: int
    step: Fared
    day: DayFared


def check(gpu: str, costs: Costs, pool: Pool, notes: Notes, seed: int = 3) -> Iterator[Check]:
    """Put one engine under each load, twice.

    Args:
        gpu: Kind of GPU.
        costs: Of its steps.
        pool: With the engine's curve, read off the same costs.
        notes: What is asked for.
        seed: Of the arrivals.
    """
    carried_per_s = pool.rate.full / notes.mean_s
    most = 2.0
    for name, share in LOADS.items():
        source = random.Random(seed)
        arrivals_s, at_s = [], 0.0
        while (at_s := at_s + source.expovariate(carried_per_s * most)) < LENGTH_S:
            if source.random() * most < share(at_s):
                arrivals_s.append(at_s)
        requests = [notes.draw(source) for _ in arrivals_s]
        # the queue is Redis' here, and has room for all of them
        shape = ServerShape(slots=pool.rate.slots, queue=len(requests))
        step = run_open(costs, shape, requests, arrivals_s)
        arrivals = np.bincount(np.floor(arrivals_s).astype(int), minlength=math.ceil(LENGTH_S) + TAIL_S)
        day, _ = run_fleet(arrivals, notes.mean_s, pool, Plan(1))
        yield Check(gpu, name, len(arrivals_s), step, day)
