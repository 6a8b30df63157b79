"""How much is measured of each checkpoint: enough to tell, in minutes."""

from dataclasses import dataclass, replace
from pathlib import Path

from s1_tts.serving.repository import Profile


@dataclass(frozen=True)
class ReferencePlan:
    """What the reference is asked to say, and our server after it.

    Args:
        requests: Requests with the short context.
        frames: Frames of each.
    """

    requests: int = 8
    frames: int = 64


@dataclass(frozen=True)
class Plan:
    """What is measured of one checkpoint.

    Args:
        checkpoint: Its folder.
        profiles: Profiles of the server, each a server of its own.
        lengths: Lengths of the texts, in turn.
        concurrency: Streams at a time, one run for each.
        streams_per_caller: Streams of a run for each one at a time.
        min_streams: Streams of a run at least.
        max_streams: Streams of a run at most, but one for each caller.
        load_shares: Arrival rates of the open loop, as shares of the best throughput of the closed loop.
        open_streams: Streams of each such run.
        pairs: Requests that the server and the bare engines say in turn, to see what the server adds to first audio.
        bare_repeats: Runs at concurrency 8 of the server and the bare engines, in turn.
        bare_streams: Streams of each of those.
        reference: The comparison with the reference; none: left out.
    """

    checkpoint: Path
    profiles: tuple[Profile, ...] = (Profile.NOTES, Profile.CALLS)
    lengths: tuple[str, ...] = ("short",)
    concurrency: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    streams_per_caller: int = 2
    min_streams: int = 4
    max_streams: int = 32
    load_shares: tuple[float, ...] = (0.5, 0.8, 1.1)
    open_streams: int = 12
    pairs: int = 6
    bare_repeats: int = 4
    bare_streams: int = 16
    reference: ReferencePlan | None = ReferencePlan()

    def streams_at(self, concurrency: int) -> int:
        """Streams of a closed-loop run."""
        wanted = max(self.min_streams, self.streams_per_caller * concurrency)
        return max(concurrency, min(wanted, self.max_streams))


def quick_tiny(checkpoint: Path) -> Plan:
    """The tiny checkpoint in under four minutes on two cores."""
    return Plan(
        checkpoint,
        min_streams=3,
        max_streams=16,
        load_shares=(0.8,),
        pairs=12,
        bare_repeats=4,
        reference=ReferencePlan(frames=24),
    )


def quick_full(checkpoint: Path) -> Plan:
    """A few streams of the full size in about a minute on two cores."""
    return Plan(
        checkpoint,
        (Profile.NOTES,),
        concurrency=(1, 8),
        streams_per_caller=1,
        min_streams=1,
        load_shares=(),
        pairs=0,
        bare_repeats=0,
        reference=None,
    )


def whole_tiny(checkpoint: Path) -> Plan:
    """The tiny checkpoint in a quarter of an hour on two cores."""
    return Plan(
        checkpoint,
        lengths=("short", "medium"),
        streams_per_caller=3,
        min_streams=6,
        max_streams=48,
        open_streams=30,
        pairs=40,
        bare_streams=24,
    )


def whole_full(checkpoint: Path, *, is_cuda: bool) -> Plan:
    """The full size: half an hour on two cores; on an accelerator real lengths, and enough streams for a p99."""
    if is_cuda:
        lengths = ("short", "medium", "long")
        return replace(whole_tiny(checkpoint), lengths=lengths, max_streams=256, open_streams=200)
    return Plan(
        checkpoint,
        min_streams=2,
        open_streams=8,
        reference=ReferencePlan(frames=32),
    )
