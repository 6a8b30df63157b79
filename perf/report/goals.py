"""The goals that results are held against, met or not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from perf.server.results import BenchFigures, Run

from s1_tts.serving.repository import Profile

MIN_SHARE_OF_BARE = 0.9
MAX_ADDED_MS = 5.0
MAX_TAIL = 3.0
CONCURRENCY = 8


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured.

    Args:
        goal: In words.
        brief: The measured figure.
        measured: The same in words, with how it was measured.
        is_met: Whether it was.
    """

    goal: str
    brief: str
    measured: str
    is_met: bool


def bench_goals(size: BenchFigures) -> Iterator[Verdict]:
    """Goals of a server's benchmark."""
    for bare in size.bare:
        goal = f"throughput at concurrency {bare.concurrency}: at least {MIN_SHARE_OF_BARE:.0%} of the bare engines"
        measured = f"{bare.share:.0%} ({median(bare.server):.2f} of {median(bare.bare):.2f} s of sound a second)"
        yield Verdict(goal, f"{bare.share:.0%}", measured, bare.share >= MIN_SHARE_OF_BARE)
    for added in size.added:
        if added.profile == Profile.CALLS:
            goal = f"Triton and transport add under {MAX_ADDED_MS:g} ms to first audio (profile calls)"
            low, high = _spread(added.server_ms, added.bare_ms)
            pairs = f"{len(added.bare_ms)} pairs, half of them {low:+.1f} to {high:+.1f}"
            measured = f"{added.added_ms:+.1f} ms (median of {pairs})"
            yield Verdict(goal, f"{added.added_ms:+.0f} ms", measured, added.added_ms < MAX_ADDED_MS)
    for run in size.closed(Profile.CALLS):
        if run.concurrency == CONCURRENCY and (tail := _tail(run)) is not None:
            first = run.summary.first_audio_ms
            goal = f"profile calls at concurrency {CONCURRENCY}: first audio p99 at most {MAX_TAIL:g} times p50"
            measured = f"{tail:.2f} times ({first.p99:.0f} and {first.p50:.0f} ms, {first.count} streams)"
            yield Verdict(goal, f"{tail:.2f}", measured, tail <= MAX_TAIL)


def _tail(run: Run) -> float | None:
    first = run.summary.first_audio_ms
    return first.p99 / first.p50 if first.p50 and first.p99 else None


def _spread(server_ms: Sequence[float], bare_ms: Sequence[float]) -> tuple[float, float]:
    """The quarter and three-quarter points of the differences."""
    differences = sorted(server - bare for server, bare in zip(server_ms, bare_ms, strict=True))
    last = len(differences) - 1
    return differences[last // 4], differences[last - last // 4]
