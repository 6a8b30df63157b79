"""What came of an attack: tried, held, lost."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HANG_S = 60.0
"""Nobody is answered later than this unless something hangs; restarts and a machine that is shared fit in."""

MOST_WORDS = 300


class ToldError(Exception):
    """A caller was refused or cut off, and knows it; the message is what the caller was told."""


@dataclass
class Tally:
    """What came of one kind of attack.

    Args:
        tried: Requests, faults and checks afterwards.
        held: Those after which everything was as it should be.
        lost: What went otherwise, in words.
        seconds: How long it was tried.
        not_tried: Why it could not be tried here; empty where it was.
        figures: What was measured on the way, by name.
    """

    tried: int = 0
    held: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0
    not_tried: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    def note(self, is_held: bool, what: object, number: int = 1) -> None:
        """Count one try, or so many that are judged together; ``what`` tells what was lost."""
        self.tried += number
        self.held += number if is_held else 0
        if not is_held:
            self.lost += [str(what)[:MOST_WORDS]] * number

    def note_most(self, name: str, value: float) -> None:
        """Keep the largest value of a figure."""
        self.figures[name] = max(value, self.figures.get(name, value))

    async def note_sound(self, asked: Awaitable[bytes], right: bytes, what: str, *, may_be_told: bool) -> None:
        """Wait for an answer, and count whether it is the very sound that it must be.

        Args:
            asked: Gives the sound, or raises :class:`ToldError`.
            right: What it must be.
            what: Who asks, in words.
            may_be_told: Whether an error is in order, because something was lost on purpose.
        """
        got = await settled(asked)
        if isinstance(got, ToldError):
            self.note(may_be_told, f"{what} was told: {got}")
        elif isinstance(got, BaseException):
            self.note(False, f"{what} got no answer in order: {got!r}")
        else:
            self.note(got == right, f"{what} got {len(got)} bytes of other sound than alone ({len(right)})")

    async def note_refused(self, asked: Awaitable[Any], what: object) -> None:
        """Wait for an answer, and count whether it is a refusal that is no internal error."""
        got = await settled(asked)
        is_refused = isinstance(got, ToldError) and "internal error" not in str(got)
        self.note(is_refused, f"{what}: {got!r}")


async def settled(asked: Awaitable[Any]) -> Any:
    """What somebody is answered, an error included; a ``TimeoutError`` where there is no answer."""
    (result,) = await gather_within([asked])
    return result


async def gather_within(asked: Sequence[Awaitable[Any]], timeout_s: float = HANG_S) -> list[Any]:
    """What many are answered, errors included, each within a time of its own."""

    async def one(each: Awaitable[Any]) -> Any:
        async with asyncio.timeout(timeout_s):
            return await each

    return await asyncio.gather(*map(one, asked), return_exceptions=True)


def table_of(tallies: Mapping[str, Tally]) -> list[str]:
    """Lines of a table: what was tried, held, lost, and for how long."""
    lines = [f"{'attack':28} {'tried':>7} {'held':>7} {'lost':>7} {'s':>6}"]
    for name, tally in tallies.items():
        if tally.not_tried and not tally.tried:
            lines.append(f"{name:28} not tried: {tally.not_tried}")
        else:
            lines.append(f"{name:28} {tally.tried:7} {tally.held:7} {len(tally.lost):7} {tally.seconds:6.0f}")
    sums = (sum(each.tried for each in tallies.values()), sum(each.held for each in tallies.values()))
    num_lost, seconds = sum(len(each.lost) for each in tallies.values()), sum(each.seconds for each in tallies.values())
    lines.append(f"{'all':28} {sums[0]:7} {sums[1]:7} {num_lost:7} {seconds:6.0f}")
    return lines
