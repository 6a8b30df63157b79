"""A recorded run of the real server beside what its work takes, and the same run simulated."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from perf.capacity_costs import Costs
from perf.capacity_parts import ServerShape
from perf.capacity_run import Fared, run_closed, run_open
from perf.capacity_workload import SimulatedRequest


@dataclass(frozen=True)
class Run:
    """A run of the real server.

    Args:
        name: What was run.
        concurrency: Streams at a time; 0: they came at given times.
        arrivals_s: Those times.
        prompt_tokens: Tokens of each request's prompt.
        frames: Frames of each request.
        audio_s_per_s: Seconds of sound a second, from the first request to the last chunk.
        first_audio_p50_s: Median time from a request to its first sound.
        completion_p50_s: Median time from a request to its last chunk.
        completion_p95_s: The same, 95th percentile.
        foreign_cores: Cores that other processes of the machine kept busy meanwhile.
        speed: Speed of the machine right before and after, over its speed when the costs were measured.
    """

    name: str
    concurrency: int
    arrivals_s: tuple[float, ...]
    prompt_tokens: tuple[int, ...]
    frames: tuple[int, ...]
    audio_s_per_s: float
    first_audio_p50_s: float
    completion_p50_s: float
    completion_p95_s: float
    foreign_cores: float
    speed: float

    def simulate(self, costs: Costs, shape: ServerShape) -> Fared:
        """Run the same requests through the simulated server, on a machine of the speed that this one had."""
        costs = costs.at_speed(self.speed)
        pairs = zip(self.prompt_tokens, self.frames, strict=True)
        requests = [SimulatedRequest(tokens, frames) for tokens, frames in pairs]
        if self.concurrency:
            return run_closed(costs, shape, requests, self.concurrency)
        return run_open(costs, shape, requests, self.arrivals_s)


@dataclass(frozen=True)
class Recording:
    """Costs and runs of one machine.

    Args:
        machine: Where and with what it was measured.
        command: What made it.
        checkpoint: Name of the checkpoint.
        costs: What the server's work takes.
        runs: Runs of the server.
    """

    machine: dict[str, Any]
    command: str
    checkpoint: str
    costs: Costs
    runs: tuple[Run, ...]

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a recording.

        Raises:
            ValueError: the file is none.
        """
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            runs = tuple(Run(**{**run, **_lists_as_tuples(run)}) for run in told["runs"])
            return cls(told["machine"], told["command"], told["checkpoint"], Costs.from_json(told["costs"]), runs)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} is no recording: {error!r}; allowed: what capacity_record.py writes") from error


def _lists_as_tuples(told: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) for name, value in told.items() if isinstance(value, list)}


def compare(recording: Recording) -> str:
    """Measured beside simulated, as a Markdown table."""
    lines = ["| run | figure | measured | simulated | difference |", "|---|---|---|---|---|"]
    for run in recording.runs:
        fared = run.simulate(recording.costs, ServerShape())
        for figure in ("audio_s_per_s", "first_audio_p50_s", "completion_p50_s", "completion_p95_s"):
            measured, simulated = getattr(run, figure), getattr(fared, figure)
            difference = f"{simulated / measured - 1:+.0%}"
            lines.append(f"| {run.name} | {figure} | {measured:.3f} | {simulated:.3f} | {difference} |")
    return "\n".join(lines)
