"""Reading what ``perf_analyzer --profile-export-file`` writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from perf.server.analyzer import AnalyzerError, read_export


def export(tmp_path: Path, requests: list[dict[str, Any]]) -> Path:
    file = tmp_path / "export.json"
    experiment = {"mode": "concurrency", "value": 4}
    file.write_text(
        json.dumps({"experiments": [{"experiment": experiment, "requests": requests}], "version": "2.51.0"})
    )
    return file


def test_times_and_samples_of_a_stream(tmp_path: Path) -> None:
    outputs = [{"audio": [1, 2, 3], "is_last": False}, {"audio": 7, "is_last": False}, {"audio": "", "is_last": True}]
    times_ns = [1_250_000_000, 1_400_000_000, 1_500_000_000]
    sent = {"timestamp": 1_000_000_000, "response_timestamps": times_ns, "response_outputs": outputs}
    (experiment,) = read_export(export(tmp_path, [sent]))
    (request,) = experiment.requests
    assert experiment.concurrency == 4
    assert (request.first_s, request.last_s) == pytest.approx((0.25, 0.5))
    assert (request.num_responses, request.num_samples) == (3, 4)


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"experiments": [{}]}'])
def test_another_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(AnalyzerError, match=r"other\.json is no export"):
        read_export(file)


def test_a_request_without_a_response_is_no_export(tmp_path: Path) -> None:
    sent = {"timestamp": 1, "response_timestamps": [], "response_outputs": []}
    with pytest.raises(AnalyzerError):
        read_export(export(tmp_path, [sent]))
