"""Schedules of chunks on a simulated machine: frames with noise, a codec, a listener; the same on every run."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Protocol

from perf.capacity_costs import CodecCosts, Costs, Table
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.lm.chunking import ChunkRules, ChunkSchedule

COSTS = Path(__file__).parent / "results" / "2026-11-21-xeon-amx-2-cores" / "capacity-run-tiny.json"
"""Where the costs of the simulated machine were measured."""

FULL_CODEC_S = Table((4, 20), (0.0706, 0.0706 + 16 * 0.222 / FRAMES_PER_SECOND))
"""By frames: seconds of the full-size codec in bfloat16 on the same machine, from ``codec-full.txt`` there."""

PROMPT_TOKENS = 40
POSITION = 160
FRAMES = 240
STREAMS = 100


class Schedule(Protocol):
    """Decides when frames are sent, as :class:`~s1_tts.lm.chunking.ChunkSchedule` does."""

    def is_due(self, num_frames: int, now_s: float) -> bool:
        """Whether so many frames go out now."""

    def sent(self, num_frames: int, now_s: float) -> None:
        """Note that they did."""


class LastRateSchedule:
    """What the server did before: double while half of the lead is enough at the last chunk's rate, codec unseen."""

    def __init__(self) -> None:
        self._frames = 4
        self._num_sent = 0
        self._first_s = 0.0
        self._previous_s = 0.0

    def is_due(self, num_frames: int, now_s: float) -> bool:
        """Whether the size chosen when the last chunk went out is reached."""
        return num_frames >= self._frames

    def sent(self, num_frames: int, now_s: float) -> None:
        """Choose the size of the next chunk."""
        if not self._num_sent:
            self._first_s = now_s
        self._num_sent += num_frames
        lead_s = self._num_sent / FRAMES_PER_SECOND - (now_s - self._first_s)
        affordable = int(lead_s * 0.5 * num_frames / (now_s - self._previous_s))
        self._previous_s = now_s
        self._frames = max(4, min(64, 2 * self._frames, affordable))


@dataclass
class Heard:
    """What a listener at 1x hears of one stream, in seconds.

    Args:
        first_audio_s: From the request to the first sound.
        sizes: Frames of each chunk.
        silences_s: Gaps in which there was nothing to play.
    """

    first_audio_s: float = 0.0
    sizes: list[int] = field(default_factory=list)
    silences_s: list[float] = field(default_factory=list)


def listen(
    schedule: Schedule, frames_s: Sequence[float], decode_s: Callable[[int], float], way_s: float = 0.0
) -> Heard:
    """Send a stream's frames in chunks through the codec to a listener.

    Args:
        schedule: Decides when they go out.
        frames_s: Time at which each frame is made, rising.
        decode_s: Time that the codec takes for a chunk of so many frames; it decodes one chunk after the other.
        way_s: Time that a chunk is on its way, in all.
    """
    heard = Heard()
    num_unsent, decoded_s, played_s = 0, 0.0, 0.0
    for number, now_s in enumerate(frames_s, 1):
        num_unsent += 1
        if number < len(frames_s) and not schedule.is_due(num_unsent, now_s):
            continue
        schedule.sent(num_unsent, now_s)
        decoded_s = max(decoded_s, now_s) + decode_s(num_unsent)
        arrived_s = decoded_s + way_s
        if not heard.sizes:
            heard.first_audio_s = played_s = arrived_s
        if arrived_s > played_s + 1e-9:
            heard.silences_s.append(arrived_s - played_s)
        played_s = max(played_s, arrived_s) + num_unsent / FRAMES_PER_SECOND
        heard.sizes.append(num_unsent)
        num_unsent = 0
    return heard


@dataclass(frozen=True)
class Noise:
    """How uneven a machine is.

    Args:
        jitter: Each frame takes its time more or less at most this share of it.
        stall_share: Share of the frames that a stall comes after.
        stall_s: Longest stall.
    """

    jitter: float
    stall_share: float
    stall_s: float

    def frames_s(self, start_s: float, frame_s: float, seed: int) -> list[float]:
        """Times at which the frames of a stream are made."""
        source = random.Random(seed)
        first_s = start_s + self._frame_s(frame_s, source)
        return list(accumulate((self._frame_s(frame_s, source) for _ in range(FRAMES - 1)), initial=first_s))

    def _frame_s(self, frame_s: float, source: random.Random) -> float:
        stall_s = source.uniform(0, self.stall_s) if source.random() < self.stall_share else 0.0
        return frame_s * (1 + source.uniform(-self.jitter, self.jitter)) + stall_s


QUIET, NOISY = Noise(0.1, 0.0, 0.0), Noise(0.5, 0.02, 0.25)


@dataclass(frozen=True)
class Case:
    """A machine that streams are made on, one at a time.

    Args:
        name: What is simulated.
        costs: What its work takes.
        noise: How uneven it is.
    """

    name: str
    costs: Costs
    noise: Noise

    def listen(self, schedule: Schedule, seed: int) -> Heard:
        """Hear one stream."""
        costs = self.costs
        frame_s = costs.step.seconds(1, POSITION, POSITION) + costs.round_s
        start_s = costs.hop_s + 2 * costs.prefill_s(PROMPT_TOKENS / 2)
        frames_s = self.noise.frames_s(start_s, frame_s, seed)
        return listen(schedule, frames_s, lambda count: costs.codec.seconds([count]), 2 * costs.hop_s)


def cases(costs: Costs) -> list[Case]:
    """The machine as measured; then with a slower language model, and with the full-size codec or one half as fast."""
    frame_s = costs.step.seconds(1, POSITION, POSITION) + costs.round_s

    def at(real_time_factor: float) -> Costs:
        return costs.at_speed(frame_s * FRAMES_PER_SECOND / real_time_factor)

    def codec(times: float) -> CodecCosts:
        return CodecCosts(Table(FULL_CODEC_S.at, tuple(times * value for value in FULL_CODEC_S.values)), 0.0)

    return [
        Case("as measured, quiet", costs, QUIET),
        Case("as measured, noisy", costs, NOISY),
        *(Case(f"language model at {factor}, noisy", at(factor), NOISY) for factor in (0.61, 0.7, 0.79)),
        *(
            Case(f"language model at {f}, codec at 0.22, noisy", replace(at(f), codec=codec(1)), NOISY)
            for f in (0.3, 0.79)
        ),
        *(
            Case(f"language model at {f}, codec at 0.44, noisy", replace(at(f), codec=codec(2)), NOISY)
            for f in (0.1, 0.61)
        ),
    ]


@dataclass(frozen=True)
class Simulated:
    """How a schedule did in a case.

    Args:
        case: Name of the case.
        schedule: Name of the schedule.
        first_audio_ms: Median of the streams.
        mean_chunk_frames: Frames over chunks.
        dry_share: Share of the streams that ran dry.
        needlessly_dry_share: Share of the streams that ran dry and do not with the smallest chunks.
        silence_ms_per_stream: Silence over streams.
    """

    case: str
    schedule: str
    first_audio_ms: float
    mean_chunk_frames: float
    dry_share: float
    needlessly_dry_share: float
    silence_ms_per_stream: float


def simulate(case: Case, name: str, make: Callable[[], Schedule]) -> Simulated:
    """Hear the streams of a case by a schedule, and by the smallest chunks beside it."""
    smallest = ChunkRules(largest_frames=ChunkRules().first_frames)
    heard = [case.listen(make(), seed) for seed in range(STREAMS)]
    beside = [case.listen(ChunkSchedule(smallest, 0), seed) for seed in range(STREAMS)]
    is_dry = [bool(stream.silences_s) for stream in heard]
    needlessly = [dry and not small.silences_s for dry, small in zip(is_dry, beside, strict=True)]
    return Simulated(
        case=case.name,
        schedule=name,
        first_audio_ms=median(stream.first_audio_s for stream in heard) * 1e3,
        mean_chunk_frames=STREAMS * FRAMES / sum(len(stream.sizes) for stream in heard),
        dry_share=sum(is_dry) / STREAMS,
        needlessly_dry_share=sum(needlessly) / STREAMS,
        silence_ms_per_stream=sum(sum(stream.silences_s) for stream in heard) / STREAMS * 1e3,
    )
