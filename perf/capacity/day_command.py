"""What a day costs where KEDA starts and ends the GPUs: a simulation of its loop over a day's load.

    python -m perf capacity-day [--users 50000] [--notes-a-user 10] [--gpus L4 H100] [--out DIR]

Without options it answers the case that this project began with, as a day: 50 000 people with ten notes each, and at
20:00 one more from each within five minutes, 10 000 a minute; one warm GPU at night. The plans that it finds then go
through days on which something goes wrong. A thousand calls at once are a day of their own, on GPUs of their own. GPUs
are modelled from their data sheets, prices are inputs (``perf/capacity/prices.json``): put in your own.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from perf.capacity.calls_day import CallsFound, CallsQuestion, CallsTried, calls_plan, most_engines, search_calls
from perf.capacity.day import Day
from perf.capacity.day_check import Check, check
from perf.capacity.day_plan import DayQuestion, Found, Tried, search
from perf.capacity.day_trouble import Case, Suffered, cases, outages, suffer
from perf.capacity.engine_rate import EngineRate
from perf.capacity.fleet_day import CALM, DayFared
from perf.capacity.hardware import GPUS, modelled_costs, slots_that_fit
from perf.capacity.machines import Pool, Start
from perf.capacity.prices import PRICES, PriceList
from perf.capacity.workload import Notes, Peak
from perf.conditions import Conditions
from perf.errors import MeasurementError
from perf.records import Recorder

POSITIONS = 1024
"""``S1_CONTEXT_TOKENS``."""


@dataclass(frozen=True)
class DayFigures:
    """What was asked and found.

    Args:
        question: What was asked.
        prices: What was paid.
        pools: By kind of GPU.
        found: By kind of GPU.
        checks: How far the reckoning is from the simulation step by step.
        calls_question: What was asked of calls.
        calls: By kind of GPU.
        suffered: Days on which something went wrong.
    """

    question: DayQuestion
    prices: PriceList
    pools: dict[str, Pool]
    found: list[Found]
    checks: list[Check]
    calls_question: CallsQuestion
    calls: list[CallsFound]
    suffered: list[Suffered]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--users", type=int, default=Day.users, help="people (%(default)s)")
    parser.add_argument("--notes-a-user", type=float, default=Day.notes_a_user, help="notes of each (%(default)s)")
    parser.add_argument("--burst-minutes", type=float, default=5.0, help="all ask once more within it (%(default)s)")
    parser.add_argument("--note-s", type=float, default=10.0, help="mean length of the speech (%(default)s)")
    parser.add_argument("--goals-s", type=float, nargs="+", default=list(DayQuestion.goals_s), help="done p95 within")
    parser.add_argument("--slots", type=int, default=DayQuestion.slots, help="S1_MAX_SLOTS (%(default)s)")
    parser.add_argument("--warm", type=int, default=DayQuestion.warm, help="engines kept all day (%(default)s)")
    parser.add_argument("--start-s", type=float, default=Start().seconds, help="until a pod is ready (%(default)s)")
    parser.add_argument("--spot-losses", type=float, default=Pool.spot_losses_per_h, help="share an hour (%(default)s)")
    parser.add_argument("--calls", type=int, default=CallsQuestion.calls, help="open in the busiest hour (%(default)s)")
    parser.add_argument("--gpus", nargs="+", help="kinds to answer for; default: all that have a price")
    parser.add_argument(
        "--efficiency", type=float, default=DayQuestion.efficiency, help="share of the data sheet's rates"
    )
    parser.add_argument("--prices", type=Path, default=PRICES, help="file of prices")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the record; else it is only printed")


def run(arguments: argparse.Namespace) -> None:
    """Answer, print, and record if ``--out`` is given.

    Raises:
        MeasurementError: the numbers do not fit together.
    """
    prices = PriceList.load(arguments.prices)
    conditions = Conditions.describe(torch.device("cpu"))
    try:
        figures = answer(arguments, prices)
    except ValueError as error:
        raise MeasurementError(str(error)) from error
    if arguments.out:
        made = Recorder.to(arguments.out, "capacity-day", conditions)
        made.record("modelled", figures)
        print(f"recorded in {made.file}")


def answer(arguments: argparse.Namespace, prices: PriceList) -> DayFigures:
    """Answer for every kind, printing each answer as it is found.

    Raises:
        ValueError: the numbers do not fit together.
    """
    length_s = arguments.burst_minutes * 60
    burst = Peak(arguments.users, length_s, arguments.users / length_s)
    notes = Notes(mean_s=arguments.note_s, spread_s=0.3 * arguments.note_s)
    question = DayQuestion(
        day=Day(users=arguments.users, notes_a_user=arguments.notes_a_user, burst=burst, notes=notes),
        goals_s=tuple(sorted(arguments.goals_s)),
        slots=arguments.slots,
        warm=arguments.warm,
        efficiency=arguments.efficiency,
        seed=arguments.seed,
    )
    asked = CallsQuestion(calls=arguments.calls)
    pools: dict[str, Pool] = {}
    found: list[Found] = []
    checks: list[Check] = []
    calls: list[CallsFound] = []
    suffered: list[Suffered] = []
    start = Start(node=arguments.start_s - Start().seconds + Start().node)
    for name in arguments.gpus or list(prices.machines):
        if name not in GPUS or name not in prices.machines:
            both = ", ".join(kind for kind in GPUS if kind in prices.machines)
            raise ValueError(f"gpus: got {name}; allowed: {both}, which have a data sheet and a price")
        gpu = GPUS[name]
        slots = min(question.slots, slots_that_fit(gpu, POSITIONS))
        costs = modelled_costs(gpu, question.efficiency, slots, POSITIONS)
        rate = EngineRate.of(costs, slots, notes, question.seed)
        pools[name] = Pool(rate, prices.machines[name], question.warm, arguments.spot_losses, start)
        found.append(search(question, name, pools[name]))
        _print(question, found[-1], rate)
        suffered += _suffered(question, pools[name], found[-1])
        checks += check(name, costs, pools[name], notes)
        calls_pool = _calls_pool(question, asked, name, prices, start)
        calls.append(search_calls(asked, name, calls_pool, question.seed))
        suffered += _calls_suffered(question, asked, calls_pool, calls[-1])
        _print_calls(calls[-1])
    for gone in suffered:
        print(f"{gone.gpu}, plan for {gone.plan}, {gone.case}: {_fared(gone.fared)}")
    for each in checks:
        print(
            f"check, {each.gpu}, {each.load}: step by step p50 {each.step.completion_p50_s:.1f} s, "
            f"p95 {each.step.completion_p95_s:.1f} s; "
            f"as the day reckons {each.day.done_p50_s:.1f}, {each.day.done_p95_s:.1f} s"
        )
    return DayFigures(question, prices, pools, found, checks, asked, calls, suffered)


def _suffered(question: DayQuestion, pool: Pool, found: Found) -> Iterator[Suffered]:
    """Days of jobs on which something goes wrong, with the best plan for each goal."""
    for goal_s, best in zip(question.goals_s, found.best, strict=True):
        if best is None:
            continue
        plan = best.choice.plan(question.day, pool, found.most)
        for case in cases(question.day, question.warm, found.most):
            yield suffer(found.gpu, f"{goal_s:g} s", question.day, pool, plan, case, question.seed)


def _calls_pool(question: DayQuestion, asked: CallsQuestion, gpu: str, prices: PriceList, start: Start) -> Pool:
    costs = modelled_costs(GPUS[gpu], question.efficiency, asked.slots, POSITIONS)
    rate = EngineRate.of(costs, asked.slots, asked.utterance, question.seed)
    most = most_engines(asked, rate.full)
    return Pool(rate, prices.machines[gpu], on_demand=most, spot_losses_per_h=0.0, start=start, queue=asked.queue)


def _calls_suffered(question: DayQuestion, asked: CallsQuestion, pool: Pool, found: CallsFound) -> Iterator[Suffered]:
    """Days of calls on which Prometheus is away, with the best plan that has no timetable to help."""
    best = found.best_by_metric(asked)
    if best is None:
        return
    plan = calls_plan(asked, pool, best.share, has_timetable=False)
    for case in [Case("nothing", CALM, 1), *outages(asked.day(), (asked.warm, found.most))]:
        yield suffer(found.gpu, "calls", asked.day(), pool, plan, case, question.seed)


def _print(question: DayQuestion, found: Found, rate: EngineRate) -> None:
    print(f"{found.gpu}: an engine makes {rate.full:.1f} s of sound a second; {found.most} at most")
    for goal_s, best in zip(question.goals_s, found.best, strict=True):
        print(f"  95 % within {goal_s:g} s: {_words(best) if best else 'no plan'}")
    if found.to_none:
        print(f"  none at night: {_words(found.to_none)}")
    print(f"  {found.most} engines all day: {_fared(found.fixed)}")


def _words(tried: Tried) -> str:
    choice = tried.choice
    timetable = ", with a timetable" if choice.has_timetable else ""
    return f"{choice.threshold:g} jobs a GPU, shrinking {choice.shrinking}{timetable}: {_fared(tried.fared)}"


def _print_calls(found: CallsFound) -> None:
    words = "no plan" if found.best is None else _calls_words(found.best)
    print(f"{found.gpu}, calls: {words}")
    print(f"  {found.most} engines all day: {_fared(found.fixed)}")


def _calls_words(tried: CallsTried) -> str:
    timetable = ", with a timetable" if tried.has_timetable else ""
    return f"{tried.share:g} streams a slot{timetable}: {_fared(tried.fared)}"


def _fared(fared: DayFared) -> str:
    return (
        f"{fared.cost:,.0f} a day; waited p50 {fared.wait_p50_s:.1f} s, p95 {fared.wait_p95_s:.1f} s, "
        f"p99 {fared.wait_p99_s:.1f} s; refused {fared.refused_share:.2%}; {fared.spot_lost} machines lost"
    )
