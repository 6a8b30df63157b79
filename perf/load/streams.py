"""What became of one request: when its sound came, how it ended, and what a listener at 1x heard of it."""

import itertools
from dataclasses import dataclass, field
from enum import StrEnum

from s1_protocol.sound import SAMPLE_RATE_HZ


class Outcome(StrEnum):
    """How a stream ended."""

    OK = "ok"
    """All chunks came, in order, the last one marked as such."""

    REFUSED = "refused"
    """The server said UNAVAILABLE before the first chunk."""

    CANCELLED = "cancelled"
    """The caller left, as it meant to."""

    FAILED = "failed"
    """Anything else; the record's ``error`` says what."""


@dataclass(frozen=True)
class ChunkArrival:
    """A chunk with sound in it.

    Args:
        at_s: When it came, on the run's clock.
        num_samples: Its length.
    """

    at_s: float
    num_samples: int

    @property
    def audio_s(self) -> float:
        """Length of its sound in seconds."""
        return self.num_samples / SAMPLE_RATE_HZ


@dataclass
class StreamRecord:
    """One request and what came of it; times are seconds on the run's clock.

    Args:
        index: Number of the request in its run.
        language: Language of the text.
        length: How long the text is: short, medium or long.
        num_characters: Its characters.
        max_frames: Frames asked for at most; 0: the server's default.
        service: Class of the caller, as it was sent; empty: the server's default.
        arrived_s: When the request was due. An open loop that sends late is charged for that.
        sent_s: When it was sent.
        ended_s: When the stream was over.
        outcome: How it ended.
        error: The server's or the connection's words, after the code; empty if all went well.
        chunks: Chunks with sound, in order; an empty last chunk is not among them.
        num_chunks: Chunks in all.
        checksum: CRC-32 of all samples.
    """

    index: int
    language: str
    length: str
    num_characters: int
    max_frames: int
    service: str
    arrived_s: float
    sent_s: float = 0.0
    ended_s: float = 0.0
    outcome: Outcome = Outcome.FAILED
    error: str = ""
    chunks: list[ChunkArrival] = field(default_factory=list)
    num_chunks: int = 0
    checksum: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether the whole stream came."""
        return self.outcome is Outcome.OK

    @property
    def num_samples(self) -> int:
        """Samples that came."""
        return sum(chunk.num_samples for chunk in self.chunks)

    @property
    def audio_s(self) -> float:
        """Length of the sound that came, in seconds."""
        return self.num_samples / SAMPLE_RATE_HZ

    @property
    def first_audio_s(self) -> float | None:
        """From the moment the request was due to its first sound; none if there was no sound."""
        return self._since_due_s(0)

    @property
    def second_chunk_s(self) -> float | None:
        """The same to its second chunk of sound; none if there was one only."""
        return self._since_due_s(1)

    @property
    def rtf(self) -> float | None:
        """Real-time factor: time from the request to its last sound over the length of the sound; none without any."""
        return (self.chunks[-1].at_s - self.arrived_s) / self.audio_s if self.chunks else None

    @property
    def gaps_s(self) -> list[float]:
        """Times between one chunk of sound and the next."""
        arrivals_s = [chunk.at_s for chunk in self.chunks]
        return [later - earlier for earlier, later in itertools.pairwise(arrivals_s)]

    @property
    def underruns_s(self) -> list[float]:
        """Silences of a listener who plays at 1x from the first chunk on: each time the sound ran out, for how long."""
        silences = []
        played_until_s = self.chunks[0].at_s if self.chunks else 0.0
        for chunk in self.chunks:
            if chunk.at_s > played_until_s:
                silences.append(chunk.at_s - played_until_s)
            played_until_s = max(played_until_s, chunk.at_s) + chunk.audio_s
        return silences

    def _since_due_s(self, position: int) -> float | None:
        return self.chunks[position].at_s - self.arrived_s if len(self.chunks) > position else None
