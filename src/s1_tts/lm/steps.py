"""Decode steps on their way: what was launched, for whom, and what came of it."""

import logging
import time
from collections import deque
from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass, field

from s1_tts.lm.sequence import Sequence, Status
from s1_tts.lm.stepping import Frame, Row, Runner

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Step:
    """A step that was launched.

    Args:
        rows: Its sequences, each with the epoch it was in.
        launched_s: When.
    """

    rows: list[tuple[Sequence, int]]
    launched_s: float


@dataclass(frozen=True, eq=False)
class StepResult:
    """A step that was read.

    Args:
        sequences: Those that still want their frame.
        frames: Theirs.
        elapsed_s: Seconds it took, after the step before it.
    """

    sequences: list[Sequence]
    frames: list[Frame]
    elapsed_s: float


@dataclass(frozen=True, eq=False)
class Advance:
    """What came of going on by a step.

    Args:
        results: Steps that were read, oldest first.
        faults: Sequences that cannot be decoded, each with what it raises when it is decoded alone.
    """

    results: list[StepResult] = field(default_factory=list)
    faults: list[tuple[Sequence, Exception]] = field(default_factory=list)


class Steps:
    """Launches steps of a runner, as far ahead as it allows.

    Args:
        runner: The model.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._flying: deque[_Step] = deque()
        self._read_s = 0.0

    def __bool__(self) -> bool:
        """Whether any step is launched and not read."""
        return bool(self._flying)

    def advance(self, running: AbstractSequence[Sequence]) -> Advance:
        """Launch a step of all that decode, and read the oldest one if no more may be on their way.

        A step that cannot be launched has changed nothing. So its rows are decoded one by one: a fault that one of them
        brings along ends that one, and the others get the frames that they would have got together.

        Args:
            running: Sequences that have a slot.

        Returns:
            What was read, if anything, and who cannot be decoded.

        Raises:
            Exception: the device is lost, or a step that was launched cannot be read: no row can go on.
        """
        ready = self._ready(running)
        if ready:
            try:
                self._launch(ready)
            except Exception as fault:
                if self._runner.is_lost():
                    raise
                if self._flying:  # it is read first; then this step is tried again
                    return Advance([self._read()])
                log.warning("a step of %d rows failed; they are decoded one by one", len(ready), exc_info=fault)
                return self._advance_one_by_one(ready)
        is_due = len(self._flying) > (self._runner.steps_ahead if ready else 0)
        return Advance([self._read()] if is_due else [])

    def forget(self) -> None:
        """Give up what is on its way."""
        for step in self._flying:
            for sequence, _ in step.rows:
                sequence.in_flight = 0
        self._flying.clear()
        self._runner.forget()

    def _ready(self, running: AbstractSequence[Sequence]) -> list[Sequence]:
        return [sequence for sequence in running if sequence.wants_frame(self._runner.num_positions)]

    def _advance_one_by_one(self, ready: list[Sequence]) -> Advance:
        advance = Advance()
        for sequence in ready:
            try:
                self._launch([sequence])
                advance.results.append(self._read())
            except Exception as fault:
                advance.faults.append((sequence, fault))
        return advance

    def _launch(self, sequences: list[Sequence]) -> None:
        launched_s = time.monotonic()
        self._runner.launch(
            [
                Row(sequence.slot, sequence.position + sequence.in_flight, sequence.num_draws + sequence.in_flight)
                for sequence in sequences
            ]
        )
        for sequence in sequences:
            sequence.in_flight += 1
        self._flying.append(_Step([(sequence, sequence.epoch) for sequence in sequences], launched_s))

    def _read(self) -> StepResult:
        step = self._flying.popleft()
        frames = self._runner.collect()
        now_s = time.monotonic()
        elapsed_s = now_s - max(step.launched_s, self._read_s)
        self._read_s = now_s
        wanted = [
            (sequence, frame)
            for (sequence, epoch), frame in zip(step.rows, frames, strict=True)
            if sequence.status is Status.DECODING and sequence.epoch == epoch
        ]
        for sequence, _ in wanted:
            sequence.in_flight -= 1
            sequence.num_draws += 1
        return StepResult([sequence for sequence, _ in wanted], [frame for _, frame in wanted], elapsed_s)
