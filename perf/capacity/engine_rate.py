"""An engine as one curve: how fast it speaks by the number of notes that it speaks at once.

The curve is read off the simulated server, step by step and with the server's own scheduler, chunk rules and codec
queue. A day has too many steps to go through all of them.
"""

import random
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from perf.capacity.costs import Costs
from perf.capacity.parts import ServerShape
from perf.capacity.run import run_closed
from perf.capacity.workload import Notes

_FINE = 64
"""Steps of the curve to a note."""

NOTES_A_POINT = 24
"""Rounds of notes that each point of the curve is measured over."""


@dataclass(frozen=True)
class EngineRate:
    """How fast one engine is.

    Args:
        slots: Notes that it speaks at once.
        at: Numbers of notes at once, rising, beginning with 0.
        audio_s_per_s: Sound that it makes a second, at each.
    """

    slots: int
    at: tuple[float, ...]
    audio_s_per_s: tuple[float, ...]

    @classmethod
    def of(cls, costs: Costs, slots: int, notes: Notes, seed: int = 0) -> "EngineRate":
        """Read the curve off the simulated server."""
        counts = sorted({*(1 << power for power in range(slots.bit_length()) if 1 << power < slots), slots})
        rates = []
        for count in counts:
            source = random.Random(seed)
            requests = [notes.draw(source) for _ in range(NOTES_A_POINT * count)]
            # what the last notes of a run take alone is no part of the curve, so it is measured over many
            rates.append(
                run_closed(costs, ServerShape(slots=slots, queue=len(requests)), requests, count).audio_s_per_s
            )
        return cls(slots, (0.0, *map(float, counts)), (0.0, *rates))

    @property
    def full(self) -> float:
        """Sound a second with all slots in use."""
        return self.audio_s_per_s[-1]

    def __call__(self, notes_at_once: float) -> float:
        """Sound a second with so many notes at once."""
        return self._fine[min(round(notes_at_once * _FINE), self.slots * _FINE)]

    @cached_property
    def _fine(self) -> list[float]:
        """The curve at small steps, so that reading it is quick."""
        at = np.arange(self.slots * _FINE + 1) / _FINE
        return [float(each) for each in np.interp(at, self.at, self.audio_s_per_s)]
