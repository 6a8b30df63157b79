"""Triton's own ``perf_analyzer`` against a server, and what its export says about first audio.

    scripts/install_perf_analyzer.sh
    python -m perf analyzer export.json ...     first and last response of each request

It prints no time to the first response of a stream, but its export holds the time of every response.
"""

import argparse
import itertools
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perf.conditions import ROOT
from perf.errors import MeasurementError
from perf.load.generator import StreamRequest
from perf.load.measures import Percentiles

from s1_protocol.names import Field, ModelName

INSTALL_SCRIPT = ROOT / "scripts" / "install_perf_analyzer.sh"
BINARY = ROOT / ".perf_analyzer" / "perf_analyzer"
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class AnalyzedRequest:
    """One request in an export; times are seconds from its sending.

    Args:
        first_s: Its first response.
        last_s: Its last response.
        num_responses: Responses in all.
        num_samples: Samples in all.
    """

    first_s: float
    last_s: float
    num_responses: int
    num_samples: int


@dataclass(frozen=True)
class Experiment:
    """The requests of one load.

    Args:
        concurrency: Requests at a time.
        requests: What became of each.
    """

    concurrency: int
    requests: tuple[AnalyzedRequest, ...]


class AnalyzerError(MeasurementError):
    """``perf_analyzer`` is not there, failed, or exported what this code does not know."""


def install() -> None:
    """Install ``perf_analyzer`` unless it is there.

    Raises:
        AnalyzerError: the script failed; it has said why.
    """
    if not BINARY.is_file() and subprocess.run([INSTALL_SCRIPT], check=False).returncode:
        raise AnalyzerError(f"{INSTALL_SCRIPT} failed")


def analyze(
    model: ModelName, protocol: str, url: str, requests: Sequence[StreamRequest], concurrency: int
) -> tuple[AnalyzedRequest, ...]:
    """Let ``perf_analyzer`` send requests, so many at a time.

    Args:
        model: ``s1_mini_stream``, over gRPC only, or ``s1_mini``.
        protocol: grpc or http.
        url: Host and port of that protocol.
        requests: Each is sent once, in this order.
        concurrency: Requests at a time.

    Raises:
        AnalyzerError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        inputs, export = Path(folder, "inputs.json"), Path(folder, "export.json")
        inputs.write_text(json.dumps({"data": [_inputs(request) for request in requests]}), encoding="utf-8")
        command: list[str | Path] = [BINARY, "-m", model, "-i", protocol, "-u", url, "--input-data", inputs]
        command += [part for name in _inputs(requests[0]) for part in ("--shape", f"{name}:1")]
        command += ["--concurrency-range", str(concurrency), "--request-count", str(len(requests))]
        command += ["--profile-export-file", export, *(["--streaming"] if model is ModelName.STREAM else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        if done.returncode:
            raise AnalyzerError(f"perf_analyzer failed: {done.stdout}{done.stderr}")
        return read_export(export)[0].requests


def read_export(file: Path) -> list[Experiment]:
    """Read what ``--profile-export-file`` wrote.

    Raises:
        AnalyzerError: it is no such file, or holds an error instead of an answer.
    """
    try:
        experiments = json.loads(file.read_text(encoding="utf-8"))["experiments"]
        return [
            Experiment(int(each["experiment"]["value"]), tuple(_read_request(entry) for entry in each["requests"]))
            for each in experiments
        ]
    except (json.JSONDecodeError, KeyError, IndexError, TypeError) as error:
        raise AnalyzerError(f"{file} is no export of perf_analyzer: {error!r}") from error


def _inputs(request: StreamRequest) -> dict[str, list[Any]]:
    """A request as the input file of ``perf_analyzer`` has it."""
    given = {Field.TEXT: request.text.text, Field.SEED: request.options.seed}
    given |= {Field.MAX_FRAMES: request.options.max_frames, Field.SERVICE: request.options.service}
    return {name.value: [value] for name, value in given.items() if value is not None}


def _read_request(entry: dict[str, Any]) -> AnalyzedRequest:
    sent_ns, times_ns = entry["timestamp"], entry["response_timestamps"]
    return AnalyzedRequest(
        first_s=(times_ns[0] - sent_ns) / 1e9,
        last_s=(times_ns[-1] - sent_ns) / 1e9,
        num_responses=len(times_ns),
        num_samples=sum(_num_samples(output[Field.AUDIO.value]) for output in entry["response_outputs"]),
    )


def _num_samples(audio: Any) -> int:
    """Samples of a tensor: a list, one number, or nothing for an empty one."""
    if isinstance(audio, list):
        return len(audio)
    return int(isinstance(audio, int))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("exports", type=Path, nargs="+", metavar="FILE", help="what --profile-export-file wrote")


def run(arguments: argparse.Namespace) -> None:
    """Print first and last response of exports."""
    files: list[Path] = arguments.exports
    for experiment in itertools.chain.from_iterable(map(read_export, files)):
        first = Percentiles.of((request.first_s for request in experiment.requests), 1e3)
        last = Percentiles.of((request.last_s for request in experiment.requests), 1e3)
        print(f"concurrency {experiment.concurrency}, {first.count} requests")
        for name, found in (("first response", first), ("last response", last)):
            print(f"  {name:<14}  p50 {found.p50:.1f} ms  p90 {found.p90:.1f} ms  p99 {found.p99:.1f} ms")
