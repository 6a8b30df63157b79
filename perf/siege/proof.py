"""What must sound the same whatever happens: each door's sound and some streams, taken before the siege begins."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from perf.load.callers import Caller, Kind, Reference, sample_requests, speak_alone
from perf.load.streams import Outcome, StreamRecord
from perf.load.texts import read_texts
from perf.siege.doors import DOORS, Ask
from perf.siege.place import Place
from perf.siege.tally import Tally

NUM_STREAMS = 4
MAX_FRAMES = 24
ASK = Ask("Hello there, this is what has to sound the same.")


@dataclass(frozen=True)
class Proof:
    """The right sound.

    Args:
        sounds: Of :data:`ASK`, by the name of the gateway's door.
        streams: Requests to the server itself, and what they sound like alone.
    """

    sounds: Mapping[str, bytes]
    streams: Sequence[Reference]

    @classmethod
    async def of(cls, place: Place) -> Self:
        """Take it from a server that nobody else asks.

        Raises:
            MeasurementError: a stream did not come whole.
            ToldError: a door refused.
        """
        texts = [text for text in read_texts() if text.length == "short"]
        streams = await speak_alone(place.generator, sample_requests(texts, NUM_STREAMS, MAX_FRAMES))
        return cls({name: await door(place, ASK) for name, door in DOORS.items()}, streams)

    async def ask_doors(self, place: Place, tally: Tally, *, may_be_told: bool, token: str = "anna") -> None:
        """Ask at every door at once."""
        ask = Ask(ASK.text, token=token)
        asked = (
            tally.note_sound(door(place, ask), self.sounds[name], name, may_be_told=may_be_told)
            for name, door in DOORS.items()
        )
        await asyncio.gather(*asked)

    async def ask_streams(
        self, place: Place, tally: Tally, number: int, *, may_be_told: bool, may_be_refused: bool = False
    ) -> list[StreamRecord]:
        """So many streams at once, each judged.

        Args:
            place: Where.
            tally: Where each is counted.
            number: How many.
            may_be_told: Whether an error is in order, because something was lost on purpose.
            may_be_refused: Whether a refusal is, because they are more than fit.
        """
        callers = [Caller(Kind.PLAIN, each.request, each) for each in self._some(number)]
        records = await place.generator.open_loop([each.request for each in callers], [0.0] * number)
        for caller, record in zip(callers, records, strict=True):
            is_told = may_be_told and record.outcome is Outcome.FAILED and _is_error(record)
            is_refused = record.outcome is Outcome.REFUSED
            fault = caller.fault(record) or (f"refused: {record.error}" if is_refused and not may_be_refused else "")
            tally.note(is_told or not fault, fault)
        return records

    def _some(self, number: int) -> list[Reference]:
        return [self.streams[index % len(self.streams)] for index in range(number)]


def _is_error(record: StreamRecord) -> bool:
    """Whether a failed stream ended with an error in time, and not by what the caller alone could notice."""
    return not record.error.startswith(("chunk", "a chunk", "the stream ended", "DEADLINE"))
