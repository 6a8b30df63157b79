"""A day of a fleet: jobs wait in one queue, KEDA starts and ends engines, the cloud takes some away.

Time goes in steps of a second. Notes are counted, not followed: they are spoken in the order in which they came, so
that how long each waited is read off the curves of what came, began and ended. Engines are curves
(:mod:`perf.capacity.engine_rate`), between which notes are spread evenly, as the gateway does it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from perf.capacity.day import Day
from perf.capacity.keda import Keda, Scaling
from perf.capacity.machines import Machines, Pool
from perf.capacity.trouble import Trouble

SAMPLES = 20_000
"""Notes that percentiles are taken over, spread evenly over the day's."""

CALM: Final = Trouble()
"""Nothing goes wrong."""


@dataclass(frozen=True)
class Timetable:
    """Pods that are asked for at a known time, as KEDA's ``cron`` does.

    Args:
        begins_s: From when on.
        ends_s: Until when.
        pods: How many.
    """

    begins_s: float
    ends_s: float
    pods: int


@dataclass(frozen=True)
class DayFared:
    """How a day went; times in seconds.

    Args:
        notes: That were asked for.
        refused_share: Share of them that was refused.
        wait_p50_s: From the request until an engine begins.
        wait_p95_s: The same, 95th percentile.
        wait_p99_s: The same, 99th percentile.
        done_p50_s: From the request until the note is spoken.
        done_p95_s: The same, 95th percentile.
        done_p99_s: The same, 99th percentile.
        late_share: Share that waited for longer than a second, the step of this simulation.
        most_waiting: Longest queue.
        most_pods: Most engines that were ready at once.
        spot_lost: Machines that the cloud took back.
        on_demand_h: Machine hours that are kept.
        spot_h: Machine hours on spot.
        cost: Of the day.
    """

    notes: int
    refused_share: float
    wait_p50_s: float
    wait_p95_s: float
    wait_p99_s: float
    done_p50_s: float
    done_p95_s: float
    done_p99_s: float
    late_share: float
    most_waiting: int
    most_pods: int
    spot_lost: int
    on_demand_h: float
    spot_h: float
    cost: float


@dataclass(frozen=True)
class Curves:
    """What was, second by second.

    Args:
        waiting: Jobs in the queue.
        ready: Engines that are ready.
        asked: Engines that are asked for.
    """

    waiting: npt.NDArray[np.float64]
    ready: npt.NDArray[np.float64]
    asked: npt.NDArray[np.float64]

    @classmethod
    def of(cls, length: int) -> "Curves":
        """Curves of nothing yet, of so many seconds."""
        return cls(np.zeros(length), np.zeros(length), np.zeros(length))


@dataclass(frozen=True)
class Plan:
    """How many engines there are, and when.

    Args:
        scaling: KEDA's; a number: so many all the time, without it.
        timetable: Pods for a known time.
    """

    scaling: Scaling | int
    timetable: Timetable | None = None

    @property
    def first(self) -> int:
        """Engines at the start."""
        return self.scaling if isinstance(self.scaling, int) else self.scaling.least


def run_day(day: Day, pool: Pool, plan: Plan, seed: int = 0, trouble: Trouble = CALM) -> tuple[DayFared, Curves]:
    """Go through a day; the same seed gives the same day."""
    return run_fleet(day.arrivals(seed), day.notes.mean_s, pool, plan, seed, trouble)


def run_fleet(
    arrivals: npt.NDArray[np.int64], mean_s: float, pool: Pool, plan: Plan, seed: int = 0, trouble: Trouble = CALM
) -> tuple[DayFared, Curves]:
    """Go through any time.

    Args:
        arrivals: Notes that come in each second.
        mean_s: Mean length of a note.
        pool: What runs.
        plan: How many.
        seed: Of the losses.
        trouble: What goes wrong.
    """
    length = len(arrivals)
    ask = _asker(pool, plan, trouble)
    machines = Machines(pool, plan.first, np.random.default_rng(seed + 1), trouble.wave)
    curves = Curves.of(length)
    came, begun, ended = np.zeros(length + 1), np.zeros(length + 1), np.zeros(length + 1)
    waiting = running = spoken = 0.0
    alone_s = mean_s / pool.rate(1)
    # in a step, a slot may have several notes that take less than the step
    begun_at_most = max(pool.rate.slots, pool.rate.full / mean_s)
    refused = 0
    for second, arriving in enumerate(arrivals.tolist()):
        # notes that take less than a step are there too, for a part of it
        asked = ask(second, waiting + max(running, spoken))
        machines.step(float(second), asked)
        engines = machines.ready
        free = max(0.0, engines * begun_at_most - running)
        accepted = min(arriving, max(0, int(free + pool.room(engines) - waiting)))
        refused += arriving - accepted
        waiting += accepted
        begins = min(waiting, free)
        waiting -= begins
        running += begins
        ends = min(running, engines * pool.rate(running / engines) / mean_s) if engines else 0.0
        running -= ends
        spoken = ends * alone_s
        came[second + 1] = came[second] + accepted
        begun[second + 1] = begun[second] + begins
        ended[second + 1] = ended[second] + ends
        curves.waiting[second], curves.ready[second], curves.asked[second] = waiting, engines, asked
    wait_s = _delays_s(came, begun)
    # a note takes as long as one alone does, which may be less than a step of this simulation
    done_s = np.maximum(_delays_s(came, ended), wait_s + alone_s)
    on_demand_h, spot_h = machines.on_demand_s / 3600, machines.spot_s / 3600
    total = int(arrivals.sum())
    fared = DayFared(
        notes=total,
        refused_share=refused / total,
        wait_p50_s=_percentile(wait_s, 50),
        wait_p95_s=_percentile(wait_s, 95),
        wait_p99_s=_percentile(wait_s, 99),
        done_p50_s=_percentile(done_s, 50),
        done_p95_s=_percentile(done_s, 95),
        done_p99_s=_percentile(done_s, 99),
        late_share=float(np.mean(wait_s > 1.0)),
        most_waiting=round(curves.waiting.max()),
        most_pods=int(curves.ready.max()),
        spot_lost=machines.num_lost,
        on_demand_h=on_demand_h,
        spot_h=spot_h,
        cost=on_demand_h * pool.price.on_demand_per_h + spot_h * pool.price.spot_per_h,
    )
    return fared, curves


def _asker(pool: Pool, plan: Plan, trouble: Trouble) -> Callable[[int, float], int]:
    """Pods that are asked for at a second with so many jobs waiting and running."""
    scaling, timetable = plan.scaling, plan.timetable
    if isinstance(scaling, int):
        return lambda _second, _jobs: scaling
    keda = Keda(scaling, scaling.least)
    seen: float | None = 0.0

    def ask(second: int, jobs: float) -> int:
        nonlocal seen
        if trouble.outage is not None and not trouble.outage.has_metric(float(second)):
            seen = None
        elif second % pool.scrape_s == 0:
            seen = jobs
        is_due = timetable is not None and timetable.begins_s <= second < timetable.ends_s
        return keda.step(float(second), seen, timetable.pods if is_due and timetable is not None else 0)

    return ask


def _delays_s(earlier: npt.NDArray[np.float64], later: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How long after one count another one reaches the same number, for notes spread evenly over the day's."""
    if not later[-1]:
        return np.full(1, np.inf)
    numbers = np.linspace(0.5, max(0.5, later[-1] - 0.5), SAMPLES)
    return np.asarray(np.maximum(0.0, _reached_s(numbers, later) - _reached_s(numbers, earlier)))


def _reached_s(numbers: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """When a count that only grows reached each number; within the second in which it did, it grows evenly."""
    after = np.minimum(np.searchsorted(counts, numbers), len(counts) - 1)
    before = counts[after - 1]
    return np.asarray(after - 1 + (numbers - before) / (counts[after] - before))


def _percentile(values: npt.NDArray[np.float64], share: float) -> float:
    return float(np.percentile(values, share))
