"""A recorded run of the real server beside what its work takes, and the same run simulated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from perf.capacity.costs import Costs
from perf.capacity.parts import ServerShape
from perf.capacity.run import Fared, run_closed, run_open
from perf.capacity.workload import SimulatedRequest
from perf.records import RecordError, read_records

COMPARED = ("audio_s_per_s", "first_audio_p50_s", "completion_p50_s", "completion_p95_s")


@dataclass(frozen=True)
class Comparison:
    """One figure of a run.

    Args:
        run: Name of the run.
        figure: Name of the figure.
        measured: On the real server.
        simulated: On the simulated one.
    """

    run: str
    figure: str
    measured: float
    simulated: float

    @property
    def difference(self) -> float:
        """What the simulation has more, as a share of what was measured."""
        return self.simulated / self.measured - 1


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
    """Costs and runs of one machine, as ``python -m perf capacity-record`` records them.

    Args:
        costs: What the server's work takes.
        runs: Runs of the server.
    """

    costs: Costs
    runs: tuple[Run, ...]

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read the last recording of a file of records.

        Raises:
            RecordError: there is none.
        """
        records = read_records([file])
        if not records:
            raise RecordError(f"{file} holds no records; allowed: what python -m perf capacity-record writes")
        return records[-1].figures_as(cls)


def compare(recording: Recording) -> list[Comparison]:
    """Every run as it was measured and as it is simulated."""
    found = []
    for run in recording.runs:
        fared = run.simulate(recording.costs, ServerShape())
        found += [Comparison(run.name, name, getattr(run, name), getattr(fared, name)) for name in COMPARED]
    return found
