"""The example that reads what ``perf_analyzer --profile-export-file`` writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "client" / "examples" / "perf_analyzer_times.py"


def read(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, file], capture_output=True, text=True, check=False)


def test_first_and_last_response(tmp_path: Path) -> None:
    sent = {"timestamp": 1_000_000_000, "response_timestamps": [1_250_000_000, 1_400_000_000, 1_500_000_000]}
    file = tmp_path / "export.json"
    file.write_text(json.dumps({"experiments": [{"experiment": {"value": 4}, "requests": [sent]}]}))
    printed = read(file).stdout.splitlines()
    assert printed == [
        "first response  1 requests  p50 250.0 ms  p90 250.0 ms  p99 250.0 ms",
        "last response   1 requests  p50 500.0 ms  p90 500.0 ms  p99 500.0 ms",
    ]


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"experiments": [{}]}'])
def test_another_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    done = read(file)
    assert done.returncode == 1
    assert "other.json is no export of perf_analyzer" in done.stderr


def test_a_request_without_a_response_is_no_export(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text(json.dumps({"experiments": [{"requests": [{"timestamp": 1, "response_timestamps": []}]}]}))
    assert read(file).returncode == 1
