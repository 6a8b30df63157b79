"""What the benchmark of a server found."""

from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from perf.engine.reference import ReferenceFigures
from perf.load.measures import Summary
from perf.server.processes import ProcessMemory


class Loop(StrEnum):
    """How requests are sent."""

    CLOSED = "closed"
    OPEN = "open"


@dataclass(frozen=True)
class Run:
    """One run of streams through a server.

    Args:
        profile: Profile of the server.
        loop: Closed or open.
        concurrency: Callers of a closed loop; 0 for an open one.
        arrivals_per_s: Rate of an open loop; 0 for a closed one.
        load_share: That rate as a share of the best throughput of the closed loop.
        lengths: Lengths of the texts.
        summary: What came of the streams.
        cpu_s_per_audio_s: Processor seconds of all the server's processes for a second of sound.
        load_average: Of the machine, when it ended.
    """

    profile: str
    loop: Loop
    concurrency: int
    arrivals_per_s: float
    load_share: float
    lengths: str
    summary: Summary
    cpu_s_per_audio_s: float
    load_average: float


@dataclass(frozen=True)
class BareComparison:
    """The server beside the bare engines, the same streams at the same concurrency in turn; seconds of sound a second.

    Args:
        concurrency: Streams at a time.
        streams: Streams of each run.
        server: Of each run through the server.
        bare: Of each run through the bare engines.
    """

    concurrency: int
    streams: int
    server: tuple[float, ...]
    bare: tuple[float, ...]

    @property
    def shares(self) -> list[float]:
        """The server's throughput over that of the bare engines beside it, for each pair of runs."""
        return [server / bare for server, bare in zip(self.server, self.bare, strict=True)]

    @property
    def share(self) -> float:
        """The median of these: what slows the machine down for a while slows one pair or both of its sides."""
        return median(self.shares)


@dataclass(frozen=True)
class AddedTime:
    """First audio of a lone request, through the server and through the bare engines in turn, in milliseconds.

    Args:
        profile: Profile of the server.
        server_ms: Through the server.
        bare_ms: Through the bare engines, pair by pair.
    """

    profile: str
    server_ms: tuple[float, ...]
    bare_ms: tuple[float, ...]

    @property
    def added_ms(self) -> float:
        """Median of the differences."""
        return median(server - bare for server, bare in zip(self.server_ms, self.bare_ms, strict=True))


@dataclass(frozen=True)
class ReferenceComparison:
    """The reference and our server, the same texts, weights and number of frames.

    Args:
        reference: What the reference did.
        alone: Our server with one caller.
        together: Our server with eight.
    """

    reference: ReferenceFigures
    alone: Summary
    together: Summary

    @property
    def throughput_ratio(self) -> float:
        """Seconds of sound a second at concurrency 8, ours over theirs with the short context."""
        return self.together.audio_s_per_s / self.reference.short_context.audio_s_per_s

    @property
    def first_audio_ratio(self) -> float:
        """First audio of a lone request, theirs over ours."""
        return median(self.reference.short_context.first_audio_s(1)) * 1e3 / (self.alone.first_audio_ms.p50 or 1.0)

    @property
    def first_audio_ratio_together(self) -> float:
        """The same with eight callers."""
        return median(self.reference.short_context.first_audio_s(8)) * 1e3 / (self.together.first_audio_ms.p50 or 1.0)


@dataclass
class BenchFigures:
    """Everything of one checkpoint.

    Args:
        is_development: Whether its weights are random ones.
        settings: ``S1_*`` settings of server and bare engines that are not the defaults.
        runs: Runs through the server.
        bare: The server beside the bare engines.
        added: What the server adds to first audio.
        reference: Beside the reference.
        memory: Peak memory of each server's processes, by profile.
        bare_memory: Of the bare engines.
        device_memory_mb: In use on the CUDA device at the end, by profile.
    """

    is_development: bool
    settings: dict[str, str]
    runs: list[Run] = field(default_factory=list)
    bare: list[BareComparison] = field(default_factory=list)
    added: list[AddedTime] = field(default_factory=list)
    reference: ReferenceComparison | None = None
    memory: dict[str, list[ProcessMemory]] = field(default_factory=dict)
    bare_memory: list[ProcessMemory] = field(default_factory=list)
    device_memory_mb: dict[str, float] = field(default_factory=dict)

    def closed(self, profile: str) -> list[Run]:
        """Runs of the closed loop over the usual texts, by concurrency."""
        runs = [run for run in self.runs if run.profile == profile and run.loop is Loop.CLOSED]
        return [run for run in runs if run.lengths == runs[0].lengths]  # not the runs over longer texts

    def opened(self, profile: str) -> list[Run]:
        """Runs of the open loop, by load."""
        return [run for run in self.runs if run.profile == profile and run.loop is Loop.OPEN]
