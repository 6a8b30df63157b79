"""Triton's own load generator on a real server, as docs/client.md has it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from perf.conditions import ROOT

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
    environment = {**os.environ, "PERF_ANALYZER": str(BINARY), "S1TTS_SIDE_DOOR_KEY": server.side_door.secret}
    printed = subprocess.run(
        ["sh", EXAMPLE, *urls, tmp_path], env=environment, check=True, capture_output=True, text=True, timeout=200
    ).stdout
    assert printed.count(f"Request count: {REQUESTS}") == 3

    (experiment,) = json.loads((tmp_path / "stream.json").read_text())["experiments"]
    assert experiment["experiment"]["value"] == CONCURRENCY
    assert len(experiment["requests"]) == REQUESTS
    for request in experiment["requests"]:
        assert request["timestamp"] < request["response_timestamps"][0] < request["response_timestamps"][-1]
        pieces = [output["audio"] for output in request["response_outputs"] if isinstance(output["audio"], list)]
        assert 0 < sum(map(len, pieces)) <= 40 * FRAME_SAMPLES

    command = [sys.executable, EXAMPLE.with_name("perf_analyzer_times.py"), tmp_path / "stream.json"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.startswith(f"first response  {REQUESTS} requests")
