"""One caller's flood: every stream comes whole and right, or is refused before its first sound."""

from perf.siege.attack import Siege
from perf.siege.place import QUEUE, SLOTS
from perf.siege.tally import Tally


async def attack(siege: Siege, tally: Tally) -> None:
    """More at once than there are slots and places to wait."""
    number = siege.number(2, 4) * (SLOTS + QUEUE)
    records = await siege.proof.ask_streams(siege.place, tally, number, may_be_told=False, may_be_refused=True)
    tally.note(any(record.is_ok for record in records), "nobody was served")
    tally.note(not all(record.is_ok for record in records), "nobody was refused, so this was no flood")
