"""Tables of costs, and what is modelled from data sheets."""

import json
from dataclasses import asdict

import pytest
from perf.capacity.costs import CodecCosts, Costs, StepCosts, Table
from perf.capacity.hardware import GPUS, modelled_costs, slots_that_fit
from pydantic import TypeAdapter


def test_table_is_straight_between_and_beyond_its_points():
    table = Table((1, 2, 4), (10, 20, 30))
    assert [table(x) for x in (1, 1.5, 2, 3, 4, 6)] == [10, 15, 20, 25, 30, 40]
    assert Table((1, 2), (1, 2))(-5) == 0


@pytest.mark.parametrize(("at", "values"), [((1,), (1,)), ((1, 2), (1,)), ((2, 1), (1, 2)), ((1, 1), (1, 2))])
def test_table_without_rising_points_is_refused(at, values):
    with pytest.raises(ValueError, match=r"a table has|the points of a table are"):
        Table(at, values)


def test_step_over_key_buckets_costs_what_the_bucket_costs():
    flat, rising = Table((1, 2), (1, 1)), Table((1, 2), (0.01, 0.01))
    exact, bucketed = StepCosts(flat, rising), StepCosts(flat, rising, (512, 1024))
    assert exact.seconds(1, 100, 600) == pytest.approx(2)
    assert bucketed.seconds(1, 100, 600) == pytest.approx(1 + 10.24)
    assert bucketed.seconds(1, 100, 512) == pytest.approx(1 + 5.12)


def test_codec_batch_costs_its_frames_and_its_further_streams():
    costs = CodecCosts(Table((1, 10), (1, 10)), per_stream_s=0.5)
    assert costs.seconds([4]) == 4
    assert costs.seconds([4, 4, 0]) == 8.5
    assert costs.seconds([0]) == 0


@pytest.mark.parametrize("name", GPUS)
def test_modelled_costs_survive_json_and_fall_with_efficiency(name):
    slow, fast = (modelled_costs(GPUS[name], share, 32, 1024) for share in (0.3, 0.7))
    assert TypeAdapter(Costs).validate_json(json.dumps(asdict(slow))) == slow
    assert fast.step.seconds(32, 300, 400) < slow.step.seconds(32, 300, 400)
    assert fast.codec.seconds([64]) < slow.codec.seconds([64])
    assert slow.step.seconds(32, 300, 400) > slow.step.seconds(8, 300, 400)
    assert slots_that_fit(GPUS[name], 1024) >= 32


def test_faster_memory_decodes_faster_and_more_memory_holds_more():
    h100, h200 = (modelled_costs(GPUS[name], 0.5, 8, 1024) for name in ("H100", "H200"))
    assert h200.step.seconds(8, 300, 400) < h100.step.seconds(8, 300, 400)
    assert slots_that_fit(GPUS["H200"], 1024) > slots_that_fit(GPUS["H100"], 1024)


def test_efficiency_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"efficiency: got 1\.5; allowed: over 0, to 1"):
        modelled_costs(GPUS["L4"], 1.5, 8, 1024)


def test_costs_at_another_speed():
    costs = modelled_costs(GPUS["L4"], 0.5, 8, 1024)
    fast = costs.at_speed(2)
    assert fast.step.seconds(8, 300, 400) == pytest.approx(costs.step.seconds(8, 300, 400) / 2)
    assert fast.codec.seconds([16, 16]) == pytest.approx(costs.codec.seconds([16, 16]) / 2)
    assert fast.prefill_s(20) == pytest.approx(costs.prefill_s(20) / 2)
    assert fast.hop_s == costs.hop_s
