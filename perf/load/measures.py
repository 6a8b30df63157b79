"""Figures of many streams together: percentiles, rates, underruns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from perf.load.streams import Outcome, StreamRecord


@dataclass(frozen=True)
class Percentiles:
    """Some percentiles of a measure, in its unit; none if nothing was measured.

    Values between two measured ones are interpolated, so that a p99 of a dozen streams is close to the worst of them
    and says little: look at ``count``.
    """

    count: int
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, values: Iterable[float | None], scale: float = 1.0) -> Self:
        """Percentiles of the values that there are, each times ``scale``."""
        known = [value * scale for value in values if value is not None]
        if not known:
            return cls(0, None, None, None, None)
        return cls(len(known), *(float(value) for value in np.percentile(known, (50, 90, 95, 99))))


@dataclass(frozen=True)
class Summary:
    """What a run of streams was like; times of the streams that came whole, counts of all.

    Args:
        streams: Streams sent.
        ok: Those that came whole.
        refused: Those that the server refused.
        cancelled: Those that their caller left.
        failed: Those that ended in any other way.
        wall_s: From the first request to the end of the last stream.
        audio_s: Length of the sound of all streams.
        samples: Samples of all streams.
        first_audio_ms: From the moment a request was due to its first sound.
        second_chunk_ms: The same to its second chunk.
        gap_ms: Between one chunk and the next.
        rtf: Of each stream: time from the request to the last sound / length of the sound.
        audio_s_per_s: Length of all sound / ``wall_s``.
        rtf_in_all: ``wall_s`` / length of all sound: what a second of sound costs while all run.
        underruns: Times that a listener at 1x had nothing to play, in all streams.
        streams_with_underruns: Streams in which that happened.
        silence_s: How long, in all streams.
    """

    streams: int
    ok: int
    refused: int
    cancelled: int
    failed: int
    wall_s: float
    audio_s: float
    samples: int
    first_audio_ms: Percentiles
    second_chunk_ms: Percentiles
    gap_ms: Percentiles
    rtf: Percentiles
    audio_s_per_s: float
    rtf_in_all: float | None
    underruns: int
    streams_with_underruns: int
    silence_s: float


def summarize(records: Sequence[StreamRecord]) -> Summary:
    """Summarize the streams of one run.

    Raises:
        ValueError: there are none.
    """
    if not records:
        raise ValueError("no streams to summarize")
    whole = [record for record in records if record.is_ok]
    counts = {outcome: sum(record.outcome is outcome for record in records) for outcome in Outcome}
    wall_s = max(record.ended_s for record in records) - min(record.arrived_s for record in records)
    audio_s = sum(record.audio_s for record in records)
    silences = [record.underruns_s for record in whole]
    return Summary(
        streams=len(records),
        ok=counts[Outcome.OK],
        refused=counts[Outcome.REFUSED],
        cancelled=counts[Outcome.CANCELLED],
        failed=counts[Outcome.FAILED],
        wall_s=wall_s,
        audio_s=audio_s,
        samples=sum(record.num_samples for record in records),
        first_audio_ms=Percentiles.of((record.first_audio_s for record in whole), 1e3),
        second_chunk_ms=Percentiles.of((record.second_chunk_s for record in whole), 1e3),
        gap_ms=Percentiles.of((gap_s for record in whole for gap_s in record.gaps_s), 1e3),
        rtf=Percentiles.of(record.rtf for record in whole),
        audio_s_per_s=audio_s / wall_s if wall_s else 0.0,
        rtf_in_all=wall_s / audio_s if audio_s else None,
        underruns=sum(len(gaps) for gaps in silences),
        streams_with_underruns=sum(bool(gaps) for gaps in silences),
        silence_s=sum(sum(gaps) for gaps in silences),
    )
