"""The dashboard and the alerts of jobs ask for metrics that a running gateway has, by labels that they have."""

import json

import pytest
import yaml

from s1_client.job_records import JobStatus
from s1_gateway.errors import Reason
from s1_gateway.jobs.records import POISON
from tests.doc_pages import ROOT
from tests.gateway.jobs.conftest import Place
from tests.gateway.running import until
from tests.gateway.stand_in import Trouble
from tests.promql import Exported, Query, expressions, read_exported

DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/s1-jobs.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/jobs-alerts.yml").read_text())
EXPRESSIONS = expressions(DASHBOARD, ALERTS)
KNOWN_VALUES = {"outcome": {*JobStatus, "delivered", "retried", "failed"}, "reason": {*Reason, POISON}}


def page_of(place: Place) -> str:
    return place.http.get(f"{place.gateway.url}/metrics").text


@pytest.fixture(scope="module")
def exported(shared_place: Place) -> Exported:
    """Of a gateway whose worker said one text: each metric is there from then on, whatever happened."""
    shared_place.start_worker()
    shared_place.wait(shared_place.submit("Said, so that there is a rate."))
    until(lambda: "s1_gateway_jobs_characters_per_second 0.0" not in page_of(shared_place))
    return read_exported(page_of(shared_place))


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_metrics_and_labels_exist(exported: Exported, place: str) -> None:
    query = Query.of(EXPRESSIONS[place])
    assert query.metrics
    assert query.metrics <= exported.keys()
    assert query.labels <= set().union(*(exported[name] for name in query.metrics))
    for metric, label, value in query.matched:
        assert set(value.split("|")) <= KNOWN_VALUES[label] & exported[metric][label]


def test_every_metric_of_jobs_is_shown(exported: Exported) -> None:
    shown = set().union(*(Query.of(each).metrics for each in EXPRESSIONS.values()))
    assert {name for name in exported if "_jobs_" in name or "_webhook_" in name} <= shown


def test_prometheus_reads_the_rules() -> None:
    assert "jobs-alerts.yml" in yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["rule_files"]


def test_what_fails_is_counted_by_its_reason_and_counters_are_counters(shared_place: Place) -> None:
    before = page_of(shared_place)
    shared_place.wait(shared_place.submit(f"{Trouble.INVALID} counted."), "failed")
    assert "# TYPE s1_gateway_jobs_failed_total counter" in before

    def value(page: str) -> float:
        line = 's1_gateway_jobs_failed_total{reason="invalid_request"} '
        return float(page.partition(line)[2].partition("\n")[0])

    until(lambda: value(page_of(shared_place)) == value(before) + 1)


def test_records_that_cannot_be_read_are_told(shared_place: Place) -> None:
    assert "s1_gateway_jobs_records_up 1.0" in page_of(shared_place)
    shared_place.redis.stop()
    try:
        until(lambda: "s1_gateway_jobs_records_up 0.0" in page_of(shared_place))
        assert 's1_gateway_jobs_waiting{queue="single"}' in page_of(shared_place)
    finally:
        shared_place.redis.start()
    until(lambda: "s1_gateway_jobs_records_up 1.0" in page_of(shared_place))
