"""What KEDA's queries give in Prometheus' own engine, above all where something is missing.

Then there must be no sample at all, which KEDA takes for an error, and never a zero, which is nothing to do.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes import ROOT, queries

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")

TARGET = (
    'namespace="speech",app_kubernetes_io_instance="{release}",app_kubernetes_io_component="{part}",instance="{pod}"'
)
GONE = "1x4 stale"


def engine(pod: str, active: str, waiting: str, release: str = "s1") -> list[dict[str, str]]:
    """An engine's series; each of the two classes has these numbers."""
    target = TARGET.format(release=release, part="engine-calls", pod=pod)
    return [
        {"series": f's1_lm_{what}_sequences{{{target},service="{service}"}}', "values": values}
        for what, values in (("active", active), ("waiting", waiting))
        for service in ("call", "note")
    ]


def gateway(pod: str, waiting: str, running: str, can_read: str) -> list[dict[str, str]]:
    """A gateway's series; each of the two queues has these numbers."""
    target = TARGET.format(release="s1", part="gateway", pod=pod)
    waits = [
        {"series": f's1_gateway_jobs_waiting{{{target},queue="{queue}"}}', "values": waiting}
        for queue in ("single", "batch")
    ]
    return [
        *waits,
        {"series": f"s1_gateway_jobs_running{{{target}}}", "values": running},
        {"series": f"s1_gateway_jobs_records_up{{{target}}}", "values": can_read},
    ]


CASES: dict[str, tuple[list[dict[str, str]], dict[str, float | None]]] = {
    "two engines, beside another release": (
        engine("a", "3x20", "1x20") + engine("b", "2x20", "0x20") + engine("c", "90x20", "0x20", release="other"),
        {"s1-calls": 12},
    ),
    "one of two engines is gone": (engine("a", "3x20", "1x20") + engine("b", GONE, GONE), {"s1-calls": 8}),
    "all engines are gone": (engine("a", GONE, GONE), {"s1-calls": None}),
    "one of the two metrics is missing": (engine("a", "3x20", "1x20")[:2], {"s1-calls": None}),
    "two gateways tell of the same jobs": (
        gateway("a", "200x20", "32x20", "1x20") + gateway("b", "200x20", "32x20", "1x20"),
        {"s1-notes": 432, "s1-overflow": 132, "s1-worker": 432},
    ),
    "few jobs": (gateway("a", "10x20", "3x20", "1x20"), {"s1-notes": 23, "s1-overflow": 0}),
    "one gateway cannot read the records": (
        gateway("a", "200x20", "32x20", "0x20") + gateway("b", "190x20", "30x20", "1x20"),
        {"s1-notes": 432},
    ),
    "no gateway can read the records": (
        gateway("a", "200x20", "32x20", "0x20"),
        {"s1-notes": None, "s1-overflow": None, "s1-worker": None},
    ),
    "a gateway that never read": (gateway("a", "0x20", "0x20", "0x20")[2:], {"s1-notes": None}),
    "no gateway": ([], {"s1-notes": None, "s1-overflow": None, "s1-gateway": None}),
}


def run(folder: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    (folder / "test.yml").write_text(yaml.safe_dump({"evaluation_interval": "15s", "tests": tests}))
    command = [PROMTOOL, "test", "rules", folder / "test.yml"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def expected(name: str, value: float | None) -> dict[str, Any]:
    samples = [] if value is None else [{"labels": "{}", "value": value}]
    return {"expr": queries("eks")[name], "eval_time": "2m", "exp_samples": samples}


@pytest.mark.parametrize("case", CASES)
def test_an_answer_is_right_or_none(case, tmp_path):
    series, values = CASES[case]
    asked = [expected(name, value) for name, value in values.items()]
    done = run(tmp_path, [{"interval": "15s", "input_series": series, "promql_expr_test": asked}])
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_answer_would_be_found(tmp_path):
    test = {"interval": "15s", "input_series": [], "promql_expr_test": [expected("s1-calls", 1)]}
    assert run(tmp_path, [test]).returncode == 1


@pytest.mark.parametrize(
    "rules", sorted((ROOT / "deploy" / "prometheus").glob("*alerts.yml")), ids=lambda path: path.name
)
def test_prometheus_takes_the_alerts(rules):
    done = subprocess.run([PROMTOOL, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
