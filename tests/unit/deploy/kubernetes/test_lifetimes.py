"""Pods begin slowly, end late enough to lose nothing, and are taken away only where others go on."""

import pytest

from s1_gateway.settings import Settings as GatewaySettings
from tests.kubernetes import (
    EXAMPLES,
    containers,
    engines,
    environment,
    is_rolling,
    main_container,
    of_kind,
    pod,
    probes,
    workloads,
)

ENGINES = engines()
STOP_S = 9
"""What the engines' command takes to stop at most, besides its drain: docs/deployment.md."""
LONGEST_STREAM_S = 95
SPOT_NOTICE_S = 120


@pytest.mark.parametrize(("example", "name"), ENGINES)
def test_loading_may_take_ten_minutes(example, name):
    startup = dict(probes(main_container(example, name)))["startupProbe"]
    assert startup["failureThreshold"] * startup["periodSeconds"] == 600


@pytest.mark.parametrize(("example", "name"), ENGINES)
def test_an_engine_ends_after_its_longest_stream(example, name):
    spec = pod(workloads(example)[name])
    sleep_s = main_container(example, name)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = float(environment(main_container(example, name))["S1_DRAIN_S"])
    assert spec["terminationGracePeriodSeconds"] >= sleep_s + drain_s + STOP_S
    if name == "s1-overflow":
        assert spec["terminationGracePeriodSeconds"] < SPOT_NOTICE_S
    elif example != "laptop":
        assert drain_s > LONGEST_STREAM_S


@pytest.mark.parametrize("example", EXAMPLES)
def test_gateways_and_workers_have_longer_than_they_take_to_end(example):
    for name, setting in (("s1-gateway", "S1_GATEWAY_DRAIN_S"), ("s1-worker", "S1_GATEWAY_JOBS_GRACE_S")):
        container = main_container(example, name)
        sleep_s = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain_s = float(environment(container)[setting])
        assert pod(workloads(example)[name])["terminationGracePeriodSeconds"] >= sleep_s + drain_s + 5


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_gateway_takes_requests_until_nobody_sends_it_any(example):
    variables = environment(main_container(example, "s1-gateway"))
    leave_s, drain_s = (float(variables[f"S1_GATEWAY_{name}_S"]) for name in ("LEAVE", "DRAIN"))
    linger_s = float(variables.get("S1_GATEWAY_LINGER_S", GatewaySettings.model_fields["linger_s"].default))
    assert leave_s > 0
    assert leave_s + linger_s < drain_s


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_probe_of_life_fails_by_load_for_less_than_a_minute(example):
    for name in workloads(example):
        for container in containers(workloads(example)[name]):
            alive = dict(probes(container)).get("livenessProbe")
            if alive:
                assert alive["periodSeconds"] * alive["failureThreshold"] >= 60
                assert "exec" not in alive


@pytest.mark.parametrize("example", EXAMPLES)
def test_who_may_be_taken_from_a_machine_is_limited(example):
    budgets = of_kind(example, "PodDisruptionBudget").values()
    chosen = [budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for budget in budgets]
    assert sorted(chosen) == sorted(
        workloads(example)[name]["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]
        for name in workloads(example)
        if is_rolling(name)
    )
