"""What the autoscalers ask and may start, and the machines that carry it."""

from zoneinfo import ZoneInfo

import pytest
import yaml
from perf.capacity.prices import PriceList

from s1_gateway.settings import Settings as GatewaySettings
from tests.kubernetes import (
    FOLDER,
    environment,
    is_rolling,
    main_container,
    of_kind,
    queries,
    size_bytes,
    workloads,
)
from tests.promql import Query


def test_what_scales_has_no_number_of_its_own():
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind("eks", "ScaledObject").values()}
    assert scaled == {name for name in workloads("eks") if is_rolling(name)}
    assert not [name for name in scaled if "replicas" in workloads("eks")[name]["spec"]]


@pytest.mark.parametrize("name", queries("eks"))
def test_a_query_divides_nothing_and_makes_nothing_of_what_is_missing(name):
    query = queries("eks")[name]
    assert "/" not in query
    assert " or " not in query
    assert "vector(" not in query
    assert "absent" not in query
    assert Query.of(query).metrics


@pytest.mark.parametrize("name", queries("eks"))
def test_without_prometheus_what_runs_goes_on(name):
    """KEDA 2.20 takes the last pod away where ``fallback.replicas`` is 0, whatever ``behavior`` says."""
    spec = of_kind("eks", "ScaledObject")[name]["spec"]
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
    assert spec["fallback"]["replicas"] >= max(1, spec["minReplicaCount"])
    (trigger,) = [trigger for trigger in spec["triggers"] if trigger["type"] == "prometheus"]
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert trigger["metricType"] == "AverageValue"


def test_a_timetable_asks_for_no_more_than_there_may_be():
    spec = of_kind("eks", "ScaledObject")["s1-overflow"]["spec"]
    (timetable,) = [trigger["metadata"] for trigger in spec["triggers"] if trigger["type"] == "cron"]
    assert timetable.keys() == {"timezone", "start", "end", "desiredReplicas"}
    assert 0 < int(timetable["desiredReplicas"]) <= spec["maxReplicaCount"]
    ZoneInfo(timetable["timezone"])
    assert all(len(timetable[key].split()) == 5 for key in ("start", "end"))


def test_calls_are_never_without_an_engine():
    assert of_kind("eks", "ScaledObject")["s1-calls"]["spec"]["minReplicaCount"] >= 1


def test_overflow_begins_where_notes_end():
    spec = of_kind("eks", "ScaledObject")["s1-notes"]["spec"]
    limit = spec["maxReplicaCount"] * int(spec["triggers"][0]["metadata"]["threshold"])
    own, beyond = queries("eks")["s1-notes"], queries("eks")["s1-overflow"]
    assert beyond == f"clamp_min(({own}) - {limit}, 0)"


def test_jobs_wait_for_an_engine_that_starts_from_zero():
    """Tries of a job come ever further apart, a minute at most and half of that at least."""
    variables = environment(main_container("eks", "s1-worker"))
    first_s, longest_s = GatewaySettings.model_fields["jobs_backoff_s"].default, 60.0
    waits_s = [min(longest_s, first_s * 2.0**n) / 2 for n in range(int(variables["S1_GATEWAY_JOBS_ATTEMPTS"]) - 1)]
    startup_s = 600
    assert sum(waits_s) > 3 * startup_s


def test_the_planners_machines_carry_the_charts_engines():
    """What the planner prices is what Karpenter may take, and has room for what the chart asks for."""
    taken = {
        name
        for pool in yaml.safe_load_all((FOLDER / "eks" / "machines.yaml").read_text())
        for rule in pool["spec"]["template"]["spec"]["requirements"]
        if rule["key"] == "node.kubernetes.io/instance-type"
        for name in rule["values"]
    }
    requests = main_container("eks", "s1-calls")["resources"]["requests"]
    for gpu, price in PriceList.load().machines.items():
        assert price.vcpus > float(requests["cpu"]), gpu
        # a tenth, and 2 GiB, are the system's, kubelet's and its watchers'
        assert 0.9 * price.memory_gib * 2**30 - 2 * 2**30 > size_bytes(requests["memory"]), gpu
        assert price.instance in taken or gpu == "H100", gpu
