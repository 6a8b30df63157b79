"""Who asks for what and when: the load that the capacity planner puts on a simulated server."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAMES_PER_SECOND

CHARACTERS_PER_S = 14.0
CHARACTERS_PER_TOKEN = 4.0
"""Of ordinary English in the published tokenizer, about."""

SPEAKER_TOKENS = 6
"""Tokens that begin every prompt, about."""


@dataclass(frozen=True)
class SimulatedRequest:
    """One request.

    Args:
        prompt_tokens: Positions of its prompt that have to be computed, the one it decodes from included.
        frames: Frames that it becomes.
        voice_tokens: Positions before them that are known already: those of its voice.
        ends_itself: The model ends it, which takes one more step; otherwise ``max_frames`` does.
        service: Class of the caller.
    """

    prompt_tokens: int
    frames: int
    voice_tokens: int = 0
    ends_itself: bool = True
    service: ServiceClass = ServiceClass.NOTE


@dataclass(frozen=True)
class Peak:
    """Arrivals that rise, stay at a peak and fall again, evenly.

    Args:
        requests: Arrivals in all, in the mean.
        length_s: Time from the first to the last.
        peak_per_s: Arrivals a second at the peak.

    Raises:
        ValueError: so many requests do not fit under the peak, or do not fill its slopes.
    """

    requests: float
    length_s: float
    peak_per_s: float

    def __post_init__(self) -> None:
        """Check that such a shape exists."""
        mean_per_s = self.requests / self.length_s
        if not mean_per_s * (1 - 1e-9) <= self.peak_per_s <= 2 * mean_per_s * (1 + 1e-9):
            raise ValueError(
                f"a peak of {self.peak_per_s * 60:g} requests a minute; allowed: the mean to twice the mean, "
                f"{mean_per_s * 60:g} to {2 * mean_per_s * 60:g}"
            )

    @property
    def slope_s(self) -> float:
        """Time in which arrivals rise to the peak, and fall from it; 0: the peak lasts all the time."""
        return max(0.0, self.length_s - self.requests / self.peak_per_s)

    def rate_per_s(self, at_s: float) -> float:
        """Arrivals a second at a time."""
        from_edge_s = min(at_s, self.length_s - at_s)
        return self.peak_per_s if from_edge_s >= self.slope_s else self.peak_per_s * from_edge_s / self.slope_s

    def arrivals_s(self, share: float, source: random.Random) -> Iterator[float]:
        """Poisson arrivals of a share of all callers, by thinning those of a steady peak.

        Args:
            share: Share of the callers, as of a server among several with callers spread at random.
            source: Random numbers.
        """
        at_s = 0.0
        while (at_s := at_s + source.expovariate(self.peak_per_s * share)) < self.length_s:
            if source.random() * self.peak_per_s < self.rate_per_s(at_s):
                yield at_s


@dataclass(frozen=True)
class Notes:
    """What is asked for; lengths are log-normal.

    Args:
        mean_s: Mean length of the speech in seconds.
        spread_s: Standard deviation of the lengths.
        longest_s: Longest length; longer ones are cut.
        voice_tokens: Positions of a voice's prompt, known to the server.
        call_share: Share of the requests that are of class ``call``.
    """

    mean_s: float = 10.0
    spread_s: float = 3.0
    longest_s: float = 95.0
    voice_tokens: int = 260
    call_share: float = 0.0

    def draw(self, source: random.Random) -> SimulatedRequest:
        """Draw one request."""
        variance = math.log1p((self.spread_s / self.mean_s) ** 2)
        length_s = source.lognormvariate(math.log(self.mean_s) - variance / 2, math.sqrt(variance))
        length_s = min(length_s, self.longest_s)
        return SimulatedRequest(
            prompt_tokens=SPEAKER_TOKENS + math.ceil(length_s * CHARACTERS_PER_S / CHARACTERS_PER_TOKEN),
            frames=max(1, round(length_s * FRAMES_PER_SECOND)),
            voice_tokens=self.voice_tokens,
            service=ServiceClass.CALL if source.random() < self.call_share else ServiceClass.NOTE,
        )
