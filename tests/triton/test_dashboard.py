"""The dashboard and the alerts ask for metrics that the running server has, by labels that they have."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.promql import Exported, Query, expressions, read_exported
from tests.triton.callers import request_http

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "s1-tts.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())

OF_PROMETHEUS = {"up": {"job", "instance"}}
ON_EVERY_SERIES = {"job", "instance"}
OF_A_GPU = {
    "nv_gpu_utilization": {"gpu_uuid"},
    "nv_gpu_memory_used_bytes": {"gpu_uuid"},
    "nv_gpu_memory_total_bytes": {"gpu_uuid"},
}
"""Exist only beside a GPU (Triton's docs/user_guide/metrics.md, release 26.07), so they cannot be looked up here."""

EXPRESSIONS = expressions(DASHBOARD, ALERTS)


@pytest.fixture(scope="module")
def exported(server) -> Exported:
    return read_exported(request_http(server.ports.metrics, "GET", "/metrics").body.decode())


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_metrics_and_labels_exist(exported, place):
    query = Query.of(EXPRESSIONS[place])
    foreign = OF_PROMETHEUS | OF_A_GPU
    assert query.metrics - foreign.keys() <= exported.keys()
    known = ON_EVERY_SERIES.union(*(foreign.get(name) or exported[name].keys() for name in query.metrics))
    assert query.labels <= known
    for metric, label, value in query.matched:
        if label not in ON_EVERY_SERIES:
            assert value in exported[metric][label]


@pytest.mark.parametrize("panel", [p for p in DASHBOARD["panels"] if "targets" in p], ids=lambda panel: panel["title"])
def test_legends_use_labels_that_are_left(exported, panel):
    for target in panel["targets"]:
        query = Query.of(target["expr"])
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = query.labels - {"le"} or ON_EVERY_SERIES.union(*OF_A_GPU.values())
        assert shown <= kept


def test_a_name_that_is_gone_would_be_found(exported):
    assert Query.of("rate(s1_lm_gone_total[1m])").metrics - exported.keys() == {"s1_lm_gone_total"}


def test_every_gauge_of_load_is_shown():
    """Queue, slots, batches, step time, refusals, cancels, codec, voices, KV pool and GPU each have a panel."""
    shown = set().union(*(Query.of(expression).metrics for expression in EXPRESSIONS.values()))
    assert shown >= {
        "s1_lm_first_frame_seconds_bucket",
        "s1_lm_waiting_sequences",
        "s1_lm_active_sequences",
        "s1_lm_step_rows_sum",
        "s1_lm_step_seconds_bucket",
        "s1_lm_streams_total",
        "s1_codec_chunks_total",
        "s1_codec_decoding_seconds_total",
        "s1_voice_cache_hits_total",
        "s1_lm_kv_used_tokens",
        "nv_gpu_utilization",
    }


def test_panels_do_not_overlap_and_name_the_provisioned_datasource():
    source = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == source["datasources"][0]["uid"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
