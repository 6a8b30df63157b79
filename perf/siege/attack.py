"""What all attacks share."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from perf.siege.place import Place
from perf.siege.proof import Proof
from perf.siege.tally import Tally


@dataclass(frozen=True)
class Siege:
    """What an attack works with.

    Args:
        place: What it attacks.
        proof: The right sound.
        chance: What it draws from; the same seed makes the same attack.
        is_small: Whether few tries are enough, because the tests run it.
    """

    place: Place
    proof: Proof
    chance: random.Random
    is_small: bool

    def number(self, small: int, full: int) -> int:
        """How many of something."""
        return small if self.is_small else full


@dataclass(frozen=True)
class Attack:
    """A kind of attack.

    Args:
        name: In the table.
        run: Does it once.
        is_deadly: Whether it ends programs, so that those who ask meanwhile may be told.
        needs_mounts: Whether it needs small disks.
        is_in_small: Whether the small siege has it.
    """

    name: str
    run: Callable[[Siege, Tally], Awaitable[None]]
    is_deadly: bool = False
    needs_mounts: bool = False
    is_in_small: bool = True
