"""Calls over a day: nobody can wait for a machine, so all run on demand; the question is how early one is asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from perf.capacity.day import HOURS, Day
from perf.capacity.day_plan import AHEAD_S
from perf.capacity.fleet_day import DayFared, Plan, Timetable, run_day
from perf.capacity.hpa import SLOW_DOWN, SLOW_UP
from perf.capacity.keda import Scaling
from perf.capacity.machines import Pool
from perf.capacity.workload import Notes, Peak


@dataclass(frozen=True)
class CallsQuestion:
    """Calls to be carried through a day.

    Args:
        calls: Open at once in the busiest hour.
        every_s: A call says something so often.
        utterance: What it says.
        rush_share: At the burst, so many more of them come at its peak.
        slots: ``S1_MAX_SLOTS``.
        queue: ``S1_MAX_QUEUE``.
        shares: Streams, waiting and running, that one slot may have; each is tried.
        warm: Fewest engines.
        headroom: Most engines, beside those that the peak takes with all slots in use.
        late_share: Share of the utterances that may wait for over a second.
    """

    calls: int = 1000
    every_s: float = 10.0
    utterance: Notes = field(default_factory=lambda: Notes(mean_s=3.0, spread_s=1.0))
    rush_share: float = 0.5
    slots: int = 16
    queue: int = 64
    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9)
    warm: int = 2
    headroom: float = 2.0
    late_share: float = 0.001

    def day(self) -> Day:
        """Its utterances: the day's shape, and a rush of five minutes."""
        peak_per_s = self.calls / self.every_s
        total = peak_per_s * 3600 * sum(HOURS) / max(HOURS)
        rush_per_s = self.rush_share * peak_per_s
        rush = Peak(rush_per_s * 300.0 / 2, 300.0, rush_per_s)
        return Day(users=self.calls, notes_a_user=total / self.calls, burst=rush, notes=self.utterance)


@dataclass(frozen=True)
class CallsTried:
    """A way to scale and how its day went.

    Args:
        share: Streams that one slot may have.
        has_timetable: Whether pods are asked for before the rush.
        fared: How it went.
    """

    share: float
    has_timetable: bool
    fared: DayFared


@dataclass(frozen=True)
class CallsFound:
    """What was found for one kind of GPU.

    Args:
        gpu: Its kind.
        most: Most engines.
        best: The cheapest whose utterances seldom wait; None: there is none.
        tried: All that was tried.
        fixed: As many engines as the most, all day.
    """

    gpu: str
    most: int
    best: CallsTried | None
    tried: tuple[CallsTried, ...]
    fixed: DayFared

    def best_by_metric(self, question: CallsQuestion) -> CallsTried | None:
        """The cheapest of those without a timetable."""
        return _cheapest([each for each in self.tried if not each.has_timetable], question)


def calls_plan(question: CallsQuestion, pool: Pool, share: float, *, has_timetable: bool) -> Plan:
    """The chart's way to scale engines of calls."""
    day = question.day()
    scaling = Scaling(
        share * question.slots, least=question.warm, most=pool.on_demand, poll_s=15.0, up=SLOW_UP, down=SLOW_DOWN
    )
    if not has_timetable:
        return Plan(scaling)
    begins_s = day.burst_at_s - pool.start.seconds - AHEAD_S
    return Plan(scaling, Timetable(begins_s, day.burst_at_s + day.burst.length_s, pool.on_demand))


def most_engines(question: CallsQuestion, full: float) -> int:
    """Most engines, of which each makes so much sound a second with all slots in use."""
    day = question.day()
    peak_audio_s = float(day.rates_per_s().max()) * day.notes.mean_s
    return max(question.warm, math.ceil(peak_audio_s * question.headroom / full))


def search_calls(question: CallsQuestion, gpu: str, pool: Pool, seed: int) -> CallsFound:
    """Try all ways to scale.

    Args:
        question: What is to be carried.
        gpu: Kind of GPU.
        pool: Engines with the question's slots and queue; as many as there may be run on demand.
        seed: Of the day.
    """
    day = question.day()
    tried = tuple(
        CallsTried(share, has_timetable, run_day(day, pool, plan, seed)[0])
        for share in question.shares
        for has_timetable in (False, True)
        for plan in (calls_plan(question, pool, share, has_timetable=has_timetable),)
    )
    fixed, _ = run_day(day, pool, Plan(pool.on_demand), seed)
    return CallsFound(gpu, pool.on_demand, _cheapest(tried, question), tried, fixed)


def _cheapest(tried: Sequence[CallsTried], question: CallsQuestion) -> CallsTried | None:
    meeting = [each for each in tried if each.fared.late_share <= question.late_share and not each.fared.refused_share]
    return min(meeting, key=lambda each: each.fared.cost, default=None)
