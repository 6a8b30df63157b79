"""Callers of a load test: each asks for something whose right outcome is known, and is judged by it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from perf.errors import MeasurementError
from perf.load.generator import LoadGenerator, StreamRequest
from perf.load.streams import Outcome, StreamRecord
from perf.load.texts import SampleText

from s1_client.options import SpeechOptions
from s1_protocol.names import ServiceClass


class Kind(StrEnum):
    """How a caller behaves."""

    PLAIN = "plain"
    SLOW = "slow reader"
    LEAVING = "leaves"
    BAD = "bad request"


SHARES = {Kind.PLAIN: 0.6, Kind.SLOW: 0.15, Kind.LEAVING: 0.15, Kind.BAD: 0.1}
"""Of the callers of a soak."""

LONGEST_PAUSE_S = 0.5
LONGEST_STAY_S = 1.0
"""Of those callers who leave after a time: some while they still wait for a slot."""

ENDLESS = SampleText(
    "en", "long", "This sentence is said again and again, by a caller that will not hear its end. " * 20
)
BAD_OPTIONS = (
    SpeechOptions(temperature=9.0),
    SpeechOptions(top_p=-1.0),
    SpeechOptions(max_frames=-1),
    SpeechOptions(chunk_frames=1000),
    SpeechOptions(voice="nobody-of-that-name"),
    SpeechOptions(seed=-1),
)
BAD_STATUSES = ("INVALID_ARGUMENT", "NOT_FOUND")


@dataclass(frozen=True)
class Reference:
    """A request and what it sounded like when it was alone on the server.

    Args:
        request: The request.
        checksum: CRC-32 of its samples.
        num_samples: How many there are.
    """

    request: StreamRequest
    checksum: int
    num_samples: int


@dataclass(frozen=True)
class Caller:
    """What one caller does.

    Args:
        kind: How the caller behaves.
        request: What is asked for.
        reference: What it must sound like; none where it is not heard to its end.
    """

    kind: Kind
    request: StreamRequest
    reference: Reference | None = None

    def fault(self, record: StreamRecord) -> str:
        """What was wrong with what came, in words; empty if nothing was."""
        if record.outcome is Outcome.REFUSED:
            return ""
        if self.kind is Kind.BAD:
            is_refused = record.outcome is Outcome.FAILED and record.error.startswith(BAD_STATUSES)
            return "" if is_refused and not record.num_chunks else f"a bad request ended with {_outcome_of(record)}"
        if self.kind is Kind.LEAVING and record.outcome is Outcome.CANCELLED:
            return ""
        if record.outcome is not Outcome.OK:
            return f"request {record.index} ({self.kind}) ended with {_outcome_of(record)}"
        right = self.reference
        if right and (record.checksum, record.num_samples) != (right.checksum, right.num_samples):
            return f"request {record.index} ({self.kind}) has other samples than alone: {record.num_samples} of them"
        return ""


def _outcome_of(record: StreamRecord) -> str:
    return f"{record.outcome} after {record.num_chunks} chunk(s): {record.error or 'no error'}"


def sample_requests(texts: Sequence[SampleText], count: int, max_frames: int) -> list[StreamRequest]:
    """Requests with seeds of their own, notes and calls in turn, with chunks of several sizes."""
    services = (ServiceClass.NOTE, ServiceClass.CALL)
    return [
        StreamRequest(
            texts[index % len(texts)],
            SpeechOptions(
                seed=1000 + index,
                max_frames=max_frames,
                chunk_frames=(0, 0, 5)[index % 3],
                service=services[index % 2],
            ),
        )
        for index in range(count)
    ]


async def speak_alone(generator: LoadGenerator, requests: Sequence[StreamRequest]) -> list[Reference]:
    """Send requests one after the other, each alone on the server.

    Raises:
        MeasurementError: one of them did not come whole.
    """
    references = []
    for index, request in enumerate(requests):
        record = await generator.stream(index, request)
        if not record.is_ok or not record.num_samples:
            raise MeasurementError(f"a request alone on the server ended with {_outcome_of(record)}")
        references.append(Reference(request, record.checksum, record.num_samples))
    return references


def plain_callers(references: Sequence[Reference], count: int) -> list[Caller]:
    """Callers that listen to the end; the references in turn."""
    chosen = (references[index % len(references)] for index in range(count))
    return [Caller(Kind.PLAIN, reference.request, reference) for reference in chosen]


def soak_callers(references: Sequence[Reference], source: random.Random) -> Iterator[Caller]:
    """Callers of all kinds without end, drawn at random."""
    while True:
        kind = source.choices(list(SHARES), list(SHARES.values()))[0]
        reference = source.choice(references)
        if kind is Kind.PLAIN:
            yield Caller(kind, reference.request, reference)
        elif kind is Kind.SLOW:
            pause_s = source.uniform(0.05, LONGEST_PAUSE_S)
            yield Caller(kind, replace(reference.request, pause_s=pause_s), reference)
        elif kind is Kind.LEAVING:
            options = SpeechOptions(seed=source.randrange(2**31), max_frames=4000)
            request = StreamRequest(ENDLESS, options)
            if source.random() < 0.5:
                yield Caller(kind, replace(request, cancel_after_chunks=source.randint(1, 3)))
            else:
                yield Caller(kind, replace(request, cancel_after_s=source.uniform(0.0, LONGEST_STAY_S)))
        else:
            yield Caller(kind, replace(reference.request, options=source.choice(BAD_OPTIONS)))
