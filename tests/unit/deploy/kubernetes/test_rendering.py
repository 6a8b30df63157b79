"""The chart renders by real Helm, and what is rendered is what Kubernetes, KEDA and the Prometheus operator take."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.kubernetes import (
    CHART,
    EXAMPLES,
    FOLDER,
    NAMESPACE,
    RELEASE,
    Resource,
    environment,
    helm,
    pod,
    rendered,
    template,
)

OLDEST, NEWEST = "1.30", "1.37"
CUSTOM = {
    f"{crd['group']}/{crd['version']} {crd['kind']}": crd["schema"]
    for crd in (json.loads(path.read_text()) for path in (Path(__file__).parent / "crds").glob("*.json"))
}


def strict(schema: Any) -> Any:
    """A custom resource's schema as JSON Schema in which nothing unknown is let through."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if made.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
        made.pop("anyOf", None)
    is_open = "additionalProperties" in made or made.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(made.get("properties"), dict) and made.get("type") == "object" and not is_open:
        made["additionalProperties"] = False
    return made


def faults(resource: Resource) -> Iterator[str]:
    """What is wrong with a resource."""
    name = f"{resource['kind']} {resource['metadata']['name']}"
    schema = CUSTOM.get(f"{resource['apiVersion']} {resource['kind']}")
    if schema is not None:
        for error in jsonschema.Draft202012Validator(strict(schema)).iter_errors({**resource, "metadata": {}}):
            yield f"{name}: {error.json_path}: {error.message}"
        return
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{name} in {version}: {'.'.join(map(str, error.path))}: {error.message}"


@pytest.mark.parametrize("example", EXAMPLES)
def test_all_resources_are_valid(example):
    assert [fault for resource in rendered(example) for fault in faults(resource)] == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "template", "spec", "terminationGracePeriod"), 30),
        ("Deployment", ("spec", "template", "spec", "enableServiceLinks"), "no"),
        ("NetworkPolicy", ("spec", "ingres"), []),
        ("ScaledObject", ("spec", "cooldown"), 30),
        ("ScaledObject", ("spec", "fallback", "behavior"), "hold"),
        ("ScaledObject", ("spec", "triggers", 0, "metadata", "threshold"), 30),
        ("ServiceMonitor", ("spec", "endpoints", 0, "relabelings", 0, "action"), "drop_label"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "expression"), "up == 0"),
    ],
)
def test_what_is_wrong_would_be_found(kind, path, value):
    resource = json.loads(json.dumps(next(each for each in rendered("eks") if each["kind"] == kind)))
    place = resource
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert list(faults(resource))


@pytest.mark.parametrize("example", EXAMPLES)
def test_helms_own_linter_finds_nothing(example):
    done = helm("lint", "--strict", CHART, "--values", FOLDER / "values" / f"{example}.yaml")
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("engine.slotz=4", "slotz"),
        ("engine.settings.S1_MAX_SLOT=4", "S1_MAX_SLOT"),
        ("gateway.settings.S1_GATEWAY_MAX_STREAM=4", "S1_GATEWAY_MAX_STREAM"),
        ("pools.calls.autoscaling.fallback=0", "fallback"),
        ("pools.calls.autoscaling.min=0", "pools.calls.autoscaling.min: got 0; allowed: 1 or more"),
        ("pools.calls.profile=fast", "profile"),
        ("pools.overflow.autoscaling.beyond={gone}", "pools.overflow.autoscaling.beyond: got gone; allowed: names of"),
        ("gateway.group=gone", 'gateway.group: got "gone"; allowed: the group of an enabled pool'),
        ("pools.calls.autoscaling.max=1", "pools.calls.autoscaling.max: got 1; allowed: no fewer than min, which is 2"),
        ("gateway.autoscaling.min=11", "gateway.autoscaling.max: got 10; allowed: no fewer than min, which is 11"),
        ("gateway.leaveSeconds=600", "gateway.leaveSeconds: got 600; allowed: fewer than gateway.drainSeconds"),
        ("monitoring.kind=annotations", 'gateway.metricsSecret.name: got "s1-metrics"; allowed: none with monitoring'),
        ("model.source=ftp", "source"),
        ("pools.overflow.autoscaling.timetable[0].start=20:00", "start"),
        ("engine.sharedMemory=lots", "sharedMemory"),
        ("voices.store=/voices", "store"),
        ("redis.secret.name=", "name"),
    ],
)
def test_a_wrong_value_is_named(setting, named):
    done = template("eks", setting)
    assert done.returncode != 0
    assert named in done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        ("model.source=image", "model.image.reference=registry.example.com/weights:1"),
        ("model.claim.name=weights", "model.download.enabled=false"),
        ("monitoring.kind=none", "networkPolicy.enabled=false"),
        ("pools.other.enabled=true", "pools.other.group=calls", "pools.other.profile=calls", "pools.other.replicas=1",
         "pools.other.autoscaling.by=streams", "pools.other.autoscaling.min=1", "pools.other.autoscaling.max=2",
         "pools.other.autoscaling.fallback=1", "pools.other.autoscaling.scaleDownSeconds=60",
         "pools.other.autoscaling.cooldownSeconds=60"),
    ],
    ids=["weights in an image", "a claim that is there", "nothing around it", "another pool"],
)  # fmt: skip
def test_other_ways_to_set_it_up_are_valid_in_the_newest_release(settings):
    for resource in rendered("eks", *settings):
        if f"{resource['apiVersion']} {resource['kind']}" not in CUSTOM:
            kubernetes_validate.validate(resource, NEWEST, strict=True)


def test_a_pools_own_value_goes_over_that_of_all_engines_also_where_it_is_nothing():
    shown = template("eks", "engine.runtimeClassName=nvidia", "pools.calls.runtimeClassName=", "pools.calls.gpus=0")
    made = {each["metadata"]["name"]: each for each in yaml.safe_load_all(shown.stdout) if each["kind"] == "Deployment"}
    calls, notes = pod(made["s1-calls"]), pod(made["s1-notes"])
    assert "runtimeClassName" not in calls
    assert notes["runtimeClassName"] == "nvidia"
    assert "nvidia.com/gpu" not in calls["containers"][0]["resources"]["limits"]
    assert environment(calls["containers"][0])["S1_DEVICE"] == "cpu"
    assert notes["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_the_packed_chart_makes_the_same(tmp_path):
    """It holds what is linked into its folder."""
    assert helm("package", CHART, "--destination", tmp_path).returncode == 0
    (packed,) = tmp_path.iterdir()
    values = FOLDER / "values" / "eks.yaml"
    made = helm("template", RELEASE, packed, "--namespace", NAMESPACE, "--values", values)
    assert made.stdout == template("eks").stdout
