"""The chart's engine: its ports, probes and what the autoscaler asks for, against a real server."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

from s1_tts.serving.command import parse
from s1_tts.settings import Settings
from tests.kubernetes import EXAMPLES, main_container, probes, queries
from tests.promql import Query, read_exported
from tests.triton.callers import request_http

PROGRAMS = Path(sysconfig.get_path("scripts"))


@pytest.fixture(params=EXAMPLES)
def container(request):
    return main_container(request.param, "s1-calls")


def test_ports_are_the_servers_own(container):
    """The defaults of ``s1-tts-serve``, which the chart's command line leaves alone."""
    command, *arguments = container["args"]
    assert command == "s1-tts-serve"
    parsed = parse(Settings(), [*arguments, "--checkpoint", "x"])
    own = {name: getattr(parsed, f"{name}_port") for name in ("http", "grpc", "metrics")}
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == own


def test_probes_by_http_are_answered(server, container):
    asked = {kind: probe for kind, probe in probes(container) if "httpGet" in probe}
    assert asked.keys() == {"readinessProbe", "livenessProbe"}
    for probe in asked.values():
        port = getattr(server.ports, probe["httpGet"]["port"])
        assert request_http(port, "GET", probe["httpGet"]["path"]).status == 200


def test_a_started_engine_has_spoken(server):
    program, *arguments = main_container("eks", "s1-calls")["startupProbe"]["exec"]["command"]
    assert arguments[-1] == "127.0.0.1:8001"
    command = [PROGRAMS / program, *arguments[:-1], f"127.0.0.1:{server.ports.grpc}"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    nobody = [PROGRAMS / program, *arguments[:-1], "127.0.0.1:1"]
    assert subprocess.run(nobody, capture_output=True, check=False).returncode != 0


def test_the_autoscaler_asks_for_what_an_engine_shows(server):
    exported = read_exported(request_http(server.ports.metrics, "GET", "/metrics").body.decode())
    query = Query.of(queries("eks")["s1-calls"])
    assert query.metrics == {"s1_lm_active_sequences", "s1_lm_waiting_sequences"}
    assert query.metrics <= exported.keys()
