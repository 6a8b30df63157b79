"""A day of a fleet that KEDA scales: what is counted adds up, and agrees with the simulation step by step."""

import json
import random

import numpy as np
import pytest
from perf.capacity.calls_day import CallsQuestion, most_engines, search_calls
from perf.capacity.day import DAY_S, Day
from perf.capacity.day_check import LOADS, check
from perf.capacity.day_plan import DayQuestion, search
from perf.capacity.engine_rate import EngineRate
from perf.capacity.fleet_day import Plan, Timetable, run_day, run_fleet
from perf.capacity.hardware import GPUS, modelled_costs
from perf.capacity.keda import Scaling
from perf.capacity.machines import Machines, Pool, Start
from perf.capacity.parts import ServerShape
from perf.capacity.prices import Price, PriceList
from perf.capacity.run import run_closed
from perf.capacity.trouble import Outage, SpotWave, Trouble
from perf.capacity.workload import Notes, Peak
from perf.errors import MeasurementError

NOTES = Notes()
PRICE = Price("x.large", 4, 16, 2.0, 0.5, "made up")
RATE = EngineRate(10, (0.0, 1.0, 10.0), (0.0, 10.0, 50.0))
"""Ten notes at once, five notes of 10 s a second; one alone takes a second."""


def pool_of(**given):
    return Pool(**{"rate": RATE, "price": PRICE, "spot_losses_per_h": 0.0, "start": Start(100, 0, 0, 20)} | given)


def steady(rate_per_s, seconds):
    return np.full(seconds, rate_per_s, dtype=np.int64)


def test_a_day_has_its_notes_and_its_burst():
    day = Day()
    rates = day.rates_per_s()
    assert rates.sum() == pytest.approx(50_000 * 10 + 50_000)
    burst = rates[20 * 3600 : 20 * 3600 + 300]
    assert burst.max() * 60 > 10_000
    assert burst.sum() - 300 * rates[20 * 3600 - 1] == pytest.approx(50_000, rel=0.01)
    assert rates[3 * 3600] * 60 < 10  # night
    assert day.arrivals(1).sum() == pytest.approx(550_000, rel=0.01)
    assert (day.arrivals(1) == day.arrivals(1)).all()


def test_a_fixed_fleet_costs_its_hours_and_nobody_waits_while_it_can_carry_all():
    fared, curves = run_fleet(steady(4, 3600), 10.0, pool_of(on_demand=2), Plan(2))
    assert fared.cost == pytest.approx(2 * PRICE.on_demand_per_h)
    assert fared.spot_h == 0
    assert fared.wait_p99_s == 0
    assert fared.done_p50_s >= 1.0
    assert curves.ready.min() == curves.ready.max() == 2


def test_beyond_what_is_kept_spot_machines_are_paid():
    fared, _ = run_fleet(steady(4, 3600), 10.0, pool_of(on_demand=1), Plan(3))
    assert fared.on_demand_h == pytest.approx(1)
    assert fared.spot_h == pytest.approx(2)
    assert fared.cost == pytest.approx(2.0 + 2 * 0.5)


def test_who_comes_twice_as_fast_waits_as_long_as_is_computed_by_hand():
    """10 notes a second for 100 s, of which 5 are spoken: 500 wait at the end, and the last one waits 100 s."""
    arrivals = np.concatenate([steady(10, 100), steady(0, 400)])
    fared, _ = run_fleet(arrivals, 10.0, pool_of(), Plan(1))
    assert fared.most_waiting == pytest.approx(490, abs=10)  # ten are being spoken
    assert fared.wait_p99_s == pytest.approx(98, abs=3)
    assert fared.wait_p50_s == pytest.approx(49, abs=3)


def test_a_full_queue_refuses():
    fared, _ = run_fleet(steady(10, 200), 10.0, pool_of(max_waiting=100), Plan(1))
    assert fared.refused_share == pytest.approx(1 - (5 * 200 + 100) / 2000, abs=0.02)


def test_from_nothing_the_first_note_waits_for_a_pod():
    arrivals = np.concatenate([steady(0, 100), steady(1, 1), steady(0, 700)])
    fared, curves = run_fleet(arrivals, 10.0, pool_of(), Plan(Scaling(10, least=0)))
    assert 120 <= fared.wait_p50_s <= 120 + 15 + 30  # the start, a scrape, a poll
    assert curves.asked[-1] == 0  # and it goes again
    assert fared.on_demand_h < 0.2


def test_a_timetable_has_pods_ready_when_the_burst_comes():
    arrivals = np.concatenate([steady(1, 600), steady(20, 60), steady(1, 600)])
    scaling = Scaling(5, most=5)
    late, _ = run_fleet(arrivals, 10.0, pool_of(), Plan(scaling))
    ready, _ = run_fleet(arrivals, 10.0, pool_of(), Plan(scaling, Timetable(420, 660, 5)))
    assert ready.wait_p95_s < 1 < late.wait_p95_s


def test_machines_that_are_taken_back_are_replaced():
    fared, curves = run_fleet(steady(10, 3 * 3600), 10.0, pool_of(spot_losses_per_h=2.0), Plan(4))
    assert fared.spot_lost > 5
    assert curves.ready.min() < 4
    assert curves.ready.max() == 4
    assert curves.ready.mean() > 3
    assert fared.refused_share == 0


def test_a_metric_that_looks_only_at_whole_seconds_still_sees_short_notes():
    """An engine that speaks a note in a moment is busy all the same, and must not be taken for idle."""
    quick = EngineRate(10, (0.0, 1.0, 10.0), (0.0, 50.0, 200.0))
    _, curves = run_fleet(steady(2, 3600), 10.0, pool_of(rate=quick), Plan(Scaling(10, least=0)))
    assert curves.asked[300:].min() == 1


def test_a_slot_speaks_several_notes_that_take_less_than_a_step():
    """40 notes of 1 s a second fill four fifths of an engine of ten slots, and nobody waits."""
    fared, _ = run_fleet(steady(40, 600), 1.0, pool_of(queue=10), Plan(1))
    assert fared.refused_share == 0
    assert fared.late_share == 0


def test_the_curve_is_read_off_the_simulated_server():
    costs = modelled_costs(GPUS["H100"], 0.5, 8, 1024)
    rate = EngineRate.of(costs, 8, NOTES)
    assert rate.at == (0, 1, 2, 4, 8)
    assert list(rate.audio_s_per_s) == sorted(rate.audio_s_per_s)
    assert rate(3) == pytest.approx((rate(2) + rate(4)) / 2, rel=0.01)
    assert rate(100) == rate.full
    source = random.Random(0)
    requests = [NOTES.draw(source) for _ in range(48)]
    step = run_closed(costs, ServerShape(slots=8), requests, 2)
    assert rate(2) == pytest.approx(step.audio_s_per_s)


@pytest.mark.slow
def test_under_load_the_day_agrees_with_the_simulation_step_by_step():
    costs = modelled_costs(GPUS["L4"], 0.5, 16, 1024)
    pool = Pool(EngineRate.of(costs, 16, NOTES), PRICE)
    by_load = {each.load: each for each in check("L4", costs, pool, NOTES)}
    assert by_load.keys() == LOADS.keys()
    burst = by_load["two minutes of twice as much"]
    assert burst.day.done_p50_s == pytest.approx(burst.step.completion_p50_s, rel=0.2)
    assert burst.day.done_p95_s == pytest.approx(burst.step.completion_p95_s, rel=0.1)
    for each in by_load.values():  # counted notes are all of the mean length and come evenly: it is the shorter one
        assert each.day.done_p95_s < 1.1 * each.step.completion_p95_s


def test_a_wave_takes_all_spot_machines_and_none_come_until_there_are_some():
    arrivals, wave = steady(10, 3600), SpotWave(600.0, none_for_s=900.0)
    fared, curves = run_fleet(arrivals, 10.0, pool_of(on_demand=1), Plan(4), trouble=Trouble(wave))
    assert set(curves.ready[:600]) == {4.0}
    assert set(curves.ready[600 : 600 + 900 + 120]) == {1.0}  # the start takes 120 s
    assert set(curves.ready[600 + 900 + 121 :]) == {4.0}
    assert fared.spot_lost == 3
    assert fared.spot_h == pytest.approx(3 * (3600 - 900) / 3600, abs=0.01)  # what is pending is not paid
    assert fared.refused_share == 0
    assert fared.wait_p99_s > 300


def test_machines_on_demand_help_in_a_wave():
    helped = Trouble(SpotWave(600.0, none_for_s=1800.0, kept_after_s=300.0))
    fared, curves = run_fleet(steady(10, 3600), 10.0, pool_of(on_demand=1), Plan(4), trouble=helped)
    assert set(curves.ready[600 : 600 + 300 + 120]) == {1.0}
    assert set(curves.ready[600 + 300 + 121 :]) == {4.0}
    assert fared.on_demand_h > 1.4  # 25 minutes of three machines more


def test_a_part_of_a_wave_takes_those_on_their_way_too():
    machines = Machines(pool_of(on_demand=1), 5, np.random.default_rng(0), SpotWave(10.0, share=0.5))
    for second in range(10):
        machines.step(float(second), 9)  # four are on their way
    machines.step(10.0, 9)
    assert machines.ready == 3
    assert machines.num_lost == 4


def test_while_prometheus_is_away_the_fallback_is_there_and_nothing_else():
    arrivals = np.concatenate([steady(1, 900), steady(20, 600), steady(1, 300)])
    away = Trouble(outage=Outage(600.0, 1700.0))
    most = {}
    for fallback in (1, 3):
        scaling = Scaling(5, most=5, fallback=fallback)
        _, curves = run_fleet(arrivals, 10.0, pool_of(), Plan(scaling), trouble=away)
        most[fallback] = curves.asked[600:1700].max()
    assert most == {1: 1, 3: 3}
    _, calm = run_fleet(arrivals, 10.0, pool_of(), Plan(Scaling(5, most=5)))
    assert calm.asked[600:1700].max() == 5


def test_where_callers_wait_at_the_engines_their_queues_are_the_room():
    fared, _ = run_fleet(steady(10, 200), 10.0, pool_of(queue=30), Plan(1))
    assert fared.refused_share == pytest.approx(1 - (5 * 200 + 30 + 10) / 2000, abs=0.01)
    assert 0 < fared.late_share <= 1


@pytest.mark.slow
def test_calls_are_found_a_plan_whose_utterances_do_not_wait():
    question = CallsQuestion(calls=50, shares=(0.3, 0.9))
    pool = pool_of(on_demand=most_engines(question, RATE.full), queue=question.queue)
    found = search_calls(question, "H100", pool, seed=0)
    assert len(found.tried) == 4
    assert found.best is not None
    assert found.best.fared.late_share <= question.late_share
    assert found.best.fared.spot_h == 0
    assert found.best.fared.cost <= found.fixed.cost
    peak = question.day().rates_per_s()
    assert peak.max() == pytest.approx(50 / 10 * 1.5, rel=0.1)
    assert peak.sum() == pytest.approx(5 * 3600 * 9.36 + 2.5 * 150, rel=0.01)


@pytest.mark.slow
def test_the_search_finds_the_cheapest_day_that_meets_each_goal():
    small = Day(users=500, burst=Peak(500, 300.0, 500 / 300))
    question = DayQuestion(small, goals_s=(1e-3, 20.0, 1e6), thresholds=(0.5, 4.0))
    found = search(question, "H100", pool_of())
    assert found.best[0] is None
    assert len(found.tried) == 8
    assert found.best[2].fared.cost == min(each.fared.cost for each in found.tried)
    assert found.best[1].fared.done_p95_s <= 20
    assert len(found.minutes["ready"]) == DAY_S / 60
    assert found.to_none.choice.warm == 0


def test_prices_have_their_sources_and_bad_ones_are_refused(tmp_path):
    prices = PriceList.load()
    assert set(prices.machines) == {"A10G", "L4", "L40S", "H100"}
    for price in prices.machines.values():
        assert 0 < price.spot_per_h < price.on_demand_per_h
        assert price.source
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"note": "none"}))
    with pytest.raises(MeasurementError, match="prices"):
        PriceList.load(file)


def test_the_same_seed_gives_the_same_day():
    day = Day(users=200, burst=Peak(200, 300.0, 200 / 300))
    first, second = (run_day(day, pool_of(spot_losses_per_h=0.5), Plan(Scaling(5)), 3)[0] for _ in range(2))
    assert first == second
