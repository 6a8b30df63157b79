"""What a siege found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perf.load.memory import Trend
from perf.siege.tally import Tally


@dataclass(frozen=True)
class SiegeFigures:
    """Everything that a siege found.

    Args:
        is_small: Whether each attack was made once, with few tries.
        minutes: How long it took.
        rounds: Rounds of the attacks that are to end nothing.
        replaced: Times that the server's own command started it again.
        started: Times that a program had ended and the siege started it again, by name.
        tallies: What came of each attack.
        memory: Trends of memory at rest, after each of these rounds.
    """

    is_small: bool
    minutes: float
    rounds: int
    replaced: int
    started: Mapping[str, int]
    tallies: Mapping[str, Tally]
    memory: Sequence[Trend]

    @property
    def lost(self) -> list[str]:
        """Everything that was lost."""
        return [f"{name}: {what}" for name, tally in self.tallies.items() for what in tally.lost]
