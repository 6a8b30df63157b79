"""The autoscaler of the planner does what Kubernetes and KEDA say they do; the numbers are computed by hand."""

import pytest
from perf.capacity.hpa import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    Hpa,
    Policy,
    Rules,
    Unit,
    desired_by_average_value,
    desired_by_value,
)
from perf.capacity.keda import Keda, Scaling


@pytest.mark.parametrize(
    ("replicas", "metric", "target", "desired"),
    [
        (5, 200, 100, 10),  # Kubernetes' documentation: 200m instead of 100m doubles the replicas
        (6, 50, 100, 3),  # and 50m halves them
        (50, 90, 75, 60),  # the announcement of its configurable tolerance: 50 x (90 / 75)
        (10, 110, 100, 10),  # a tenth more is within the tolerance
        (10, 111, 100, 12),  # and a little more is not: 11.1 is rounded up
        (10, 90, 100, 10),
        (10, 89, 100, 9),  # 8.9
        (3, 0.1 + 0.2, 0.3, 3),  # the last bit of a sum decides nothing
    ],
)
def test_value_is_a_ratio_of_what_there_is(replicas, metric, target, desired):
    assert desired_by_value(replicas, replicas, metric, target) == desired


def test_value_multiplies_only_the_pods_that_are_ready():
    assert desired_by_value(8, 4, 200, 100) == 8  # while 4 of 8 start, twice too much asks for no more than 8


@pytest.mark.parametrize(
    ("replicas", "metric", "target", "desired"),
    [
        (1, 200, 20, 10),  # 200 messages, 20 for each pod
        (10, 200, 20, 10),
        (10, 219, 20, 10),  # 21.9 a pod, 9.5 % too many
        (10, 221, 20, 12),  # 22.1 a pod: ceil(11.05)
        (10, 181, 20, 10),
        (10, 179, 20, 9),  # 8.95
        (7, 0, 20, 0),
        (100, 2000 + 199, 20, 100),
    ],
)
def test_average_value_is_a_share_of_each_pod(replicas, metric, target, desired):
    assert desired_by_average_value(replicas, metric, target) == desired


def test_average_value_counts_pods_that_are_still_starting():
    """So a wave does not ask for more and more while its pods start."""
    assert [desired_by_average_value(replicas, 200, 20) for replicas in (1, 5, 10)] == [10, 10, 10]


def climb(hpa, replicas, desired, looks, every_s=15.0, begin_s=0.0):
    counts = []
    for look in range(looks):
        replicas = hpa.look(begin_s + look * every_s, replicas, desired)
        counts.append(replicas)
    return counts


def test_by_default_it_grows_by_four_pods_or_twofold_each_15_s():
    assert climb(Hpa(1, 100), 1, 100, 6) == [5, 10, 20, 40, 80, 100]


def test_it_shrinks_only_after_300_s_of_less():
    hpa = Hpa(1, 100)
    assert climb(hpa, 10, 10, 1) == [10]
    counts = climb(hpa, 10, 2, 25, begin_s=15.0)
    # the recommendation of 10 at 0 s counts until it is older than 300 s
    assert counts == [10] * 20 + [2] * 5


def test_a_short_dip_removes_nothing():
    hpa = Hpa(1, 100)
    replicas = 10
    for look in range(100):
        replicas = hpa.look(look * 15.0, replicas, 10 if look % 15 == 0 else 1)
    assert replicas == 10


def test_the_documentations_example_of_two_policies_for_shrinking():
    """4 pods or 10 %, each in 60 s: from 80 to 10; below 40 pods the four count."""
    down = Rules(0.0, (Policy(Unit.PODS, 4, 60.0), Policy(Unit.PERCENT, 10, 60.0)))
    hpa = Hpa(1, 100, DEFAULT_UP, down)
    assert climb(hpa, 80, 10, 8, every_s=60.0)[:3] == [72, 64, 57]  # 10 % of 72 is rounded up to 8; of 64, to 7
    assert climb(Hpa(1, 100, DEFAULT_UP, down), 39, 10, 3, every_s=60.0) == [35, 31, 27]


def test_within_its_period_a_policy_is_used_up():
    down = Rules(0.0, (Policy(Unit.PODS, 1, 300.0),))
    counts = climb(Hpa(1, 100, DEFAULT_UP, down), 10, 1, 41)
    assert counts[0] == 9
    assert counts[19] == 9
    assert counts[20] == 8
    assert counts[40] == 7


def test_without_policies_nothing_changes():
    assert climb(Hpa(1, 10, DEFAULT_UP, Rules(0.0, ())), 10, 1, 5) == [10] * 5


def test_limits_hold():
    assert climb(Hpa(2, 8), 2, 100, 3)[-1] == 8
    assert climb(Hpa(2, 8, DEFAULT_UP, Rules(0.0, DEFAULT_DOWN.policies)), 8, 0, 3)[-1] == 2


# KEDA


def follow(keda, metrics, every_s=1.0):
    return [keda.step(second * every_s, metric) for second, metric in enumerate(metrics)]


def test_nothing_to_do_is_no_pod_and_the_first_comes_with_the_next_look():
    keda = Keda(Scaling(threshold=10, least=0, activation=5, poll_s=30), replicas=0)
    counts = follow(keda, [0] * 10 + [5] * 40 + [6] * 40)
    assert counts[:60] == [0] * 60  # 5 is not more than 5
    assert counts[60] == 1  # 30, 60: the look after the metric rose
    assert counts[-1] == 1


def test_the_last_pod_goes_after_the_cooldown():
    keda = Keda(Scaling(threshold=10, least=0, poll_s=30, cooldown_s=300), replicas=1)
    counts = follow(keda, [50] + [0] * 400)
    assert max(counts) == 5
    assert counts[299] >= 1
    assert counts[300] == 0


def test_with_a_warm_pod_it_never_goes_to_none():
    keda = Keda(Scaling(threshold=10, least=1, cooldown_s=30), replicas=1)
    assert set(follow(keda, [0] * 900)) == {1}


def test_a_metric_that_is_away_changes_nothing_until_the_fallback_counts():
    """From KEDA 2.19 on: its own questions count as well as the autoscaler's, and only the fourth is over three."""
    keda = Keda(Scaling(threshold=10, failures=3, fallback=6, poll_s=30), replicas=1)
    counts = follow(keda, [20] * 30 + [None] * 90)
    assert counts[29] == 2
    assert counts[30 + 29] == 2  # at 30 s one of each fails, at 45 s the autoscaler's
    assert counts[30 + 30] == 6  # KEDA's own at 60 s is the fourth


def test_a_fallback_takes_no_pod_away():
    keda = Keda(Scaling(threshold=10, failures=3, fallback=2), replicas=1)
    assert follow(keda, [50] * 30 + [None] * 600)[-1] == 5


def test_the_fallback_starts_pods_where_there_is_none():
    keda = Keda(Scaling(threshold=10, least=0, failures=3, fallback=2, poll_s=30), replicas=0)
    counts = follow(keda, [0] * 30 + [None] * 200)
    assert counts[30 + 89] == 0  # no pod, no autoscaler: only KEDA's own questions count
    assert counts[30 + 90] == 2
    assert counts[-1] == 2


def test_an_answer_ends_the_count_of_failures():
    keda = Keda(Scaling(threshold=10, least=0, failures=3, fallback=2, poll_s=30), replicas=0)
    assert max(follow(keda, ([None] * 90 + [0] * 30) * 5)) == 0


def test_without_a_fallback_it_stays_as_it_was():
    keda = Keda(Scaling(threshold=10), replicas=1)
    assert follow(keda, [40] * 30 + [None] * 600)[-1] == 4


def test_a_timetable_is_a_second_metric_of_which_the_larger_counts():
    keda = Keda(Scaling(threshold=10), replicas=1)
    assert keda.step(0, 20.0, scheduled=5) == 5
    assert keda.step(15, 80.0, scheduled=5) == 8


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"threshold": 1, "least": 3, "most": 2}])
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="allowed"):
        Scaling(**wrong)
