"""First and last response of each request in exports of Triton's ``perf_analyzer``.

    python -m perf analyzer export.json ...

It prints no time to the first response of a stream, but its export holds the time of every response.
"""

import argparse
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perf.errors import MeasurementError
from perf.load.measures import Percentiles

from s1_protocol.names import Field


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
    """A file is no export of ``perf_analyzer``."""


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
