"""What Helm makes of the chart: rendered once for each set of values, and taken apart."""

import functools
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deploy" / "kubernetes"
CHART = FOLDER / "s1"
HELM = Path(sysconfig.get_path("scripts")) / "helm"
EXAMPLES = ("laptop", "one-gpu", "eks")
"""The committed files of values."""

RELEASE, NAMESPACE = "s1", "speech"

Resource = dict[str, Any]


class NoRepeatedKeys(yaml.SafeLoader):
    """YAML whose maps name each key once: Kubernetes refuses others, and Python would take the last."""


def _construct(loader: NoRepeatedKeys, node: yaml.MappingNode) -> Resource:
    keys = [loader.construct_object(key) for key, _ in node.value]
    repeated = {key for key in keys if keys.count(key) > 1}
    if repeated:
        raise ValueError(f"{node.start_mark}: {repeated} more than once")
    return loader.construct_mapping(node, deep=True)


NoRepeatedKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct)


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the real program."""
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


def template(example: str, *settings: str) -> subprocess.CompletedProcess[str]:
    """Render, whatever comes of it.

    Args:
        example: Which file of values.
        settings: Further values, as ``path=value``.
    """
    told = [part for setting in settings for part in ("--set", setting)]
    return helm(
        "template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", FOLDER / "values" / f"{example}.yaml", *told
    )


@functools.cache
def rendered(example: str, *settings: str) -> tuple[Resource, ...]:
    """All resources of a file of values; not to be changed.

    Args:
        example: Which file.
        settings: Further values, as ``path=value``.
    """
    done = template(example, *settings)
    assert done.returncode == 0, done.stderr
    return tuple(each for each in yaml.load_all(done.stdout, NoRepeatedKeys) if each)


def of_kind(example: str, kind: str) -> dict[str, Resource]:
    """Resources of a kind, by name."""
    return {each["metadata"]["name"]: each for each in rendered(example) if each["kind"] == kind}


def workloads(example: str, *settings: str) -> dict[str, Resource]:
    """What makes pods, by name."""
    kinds = ("Deployment", "StatefulSet", "Job")
    return {each["metadata"]["name"]: each for each in rendered(example, *settings) if each["kind"] in kinds}


def every_workload() -> list[tuple[str, str]]:
    """Each example with each name of what makes pods in it."""
    return [(example, name) for example in EXAMPLES for name in workloads(example)]


def engines() -> list[tuple[str, str]]:
    """The workloads that run Triton."""
    return [each for each in every_workload() if each[1] in ("s1-calls", "s1-notes", "s1-overflow")]


def is_rolling(name: str) -> bool:
    """Whether its pods are replaced one after the other while it serves."""
    return name not in ("s1-redis",) and "download" not in name


def pod(workload: Resource) -> Resource:
    """The specification of its pods."""
    return workload["spec"]["template"]["spec"]


def containers(workload: Resource) -> list[Resource]:
    """All of its pods' containers, those that begin included."""
    spec = pod(workload)
    return [*spec.get("initContainers", ()), *spec["containers"]]


def environment(container: Resource) -> dict[str, str]:
    """Variables that have a value."""
    return {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}


def main_container(example: str, name: str) -> Resource:
    """The container of a workload.

    Args:
        example: Which file of values.
        name: Of the workload.
    """
    (container,) = pod(workloads(example)[name])["containers"]
    return container


def probes(container: Resource) -> Iterator[tuple[str, Resource]]:
    """Its probes, by kind."""
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        if kind in container:
            yield kind, container[kind]


def queries(example: str) -> dict[str, str]:
    """What KEDA asks Prometheus, by the ScaledObject's name."""
    return {
        name: trigger["metadata"]["query"]
        for name, each in of_kind(example, "ScaledObject").items()
        for trigger in each["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    }


def size_bytes(quantity: str) -> float:
    """Bytes of a quantity such as ``1Gi``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]?)(i?)", quantity)
    assert found, quantity
    return float(found[1]) * (1024 if found[3] else 1000) ** " kMGT".index(found[2] or " ")
