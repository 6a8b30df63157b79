"""Triton's own load generator on a real server, as docs/client.md has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from perf.conditions import ROOT
from perf.server.analyzer import read_export

from s1_protocol.sound import FRAME_SAMPLES
from s1_tts.serving.server import TritonServer

BINARY = ROOT / ".perf_analyzer" / "perf_analyzer"
EXAMPLE = ROOT / "client" / "examples" / "perf_analyzer.sh"
CONCURRENCY = 2
REQUESTS = 4


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    if not BINARY.is_file():
        subprocess.run([ROOT / "scripts" / "install_perf_analyzer.sh"], check=True)


def test_example_perf_analyzer(server: TritonServer, tmp_path: Path) -> None:
    urls = [f"127.0.0.1:{server.ports.grpc}", f"127.0.0.1:{server.ports.http}"]
    environment = {**os.environ, "PERF_ANALYZER": str(BINARY)}
    printed = subprocess.run(
        ["sh", EXAMPLE, *urls, tmp_path], env=environment, check=True, capture_output=True, text=True, timeout=200
    ).stdout
    assert printed.count(f"Request count: {REQUESTS}") == 3

    experiments = read_export(tmp_path / "stream.json")
    assert [experiment.concurrency for experiment in experiments] == [CONCURRENCY]
    for experiment in experiments:
        assert len(experiment.requests) == REQUESTS
        for request in experiment.requests:
            assert 0 < request.first_s < request.last_s
            assert request.num_responses > 1
            assert 0 < request.num_samples <= 40 * FRAME_SAMPLES

    command = [sys.executable, "-m", "perf", "analyzer", str(tmp_path / "stream.json")]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert f"concurrency {CONCURRENCY}, {REQUESTS} requests" in told
