"""How many GPUs carry a load: the fewest of which a simulated one, with its share of the callers, meets the goals."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from perf.capacity.costs import Costs
from perf.capacity.hardware import Gpu, modelled_costs, slots_that_fit
from perf.capacity.parts import ServerShape
from perf.capacity.run import Fared, run_peak
from perf.capacity.workload import Notes, Peak

from s1_protocol.sound import FRAMES_PER_SECOND

MOST_SERVERS = 100_000


@dataclass(frozen=True)
class Goals:
    """What the callers must get, in seconds from the request.

    Args:
        first_audio_p95_s: First sound of 95 % of them.
        completion_p95_s: Last chunk of 95 % of them.
        refused_share: Share that may be refused.
    """

    first_audio_p95_s: float = 2.0
    completion_p95_s: float = 10.0
    refused_share: float = 0.001

    def are_met(self, fared: Fared) -> bool:
        """Whether a run's callers got it."""
        return (
            fared.refused_share <= self.refused_share
            and fared.first_audio_p95_s <= self.first_audio_p95_s
            and fared.completion_p95_s <= self.completion_p95_s
        )


@dataclass(frozen=True)
class Question:
    """What is to be carried, and by what.

    Args:
        peak: When requests come.
        notes: What they ask for.
        goals: What they must get.
        slots: ``S1_MAX_SLOTS`` to choose from.
        positions: ``S1_CONTEXT_TOKENS``: the longest note with its prompt must fit.
        shape: Other settings.
        seed: The same seed, the same answer.
    """

    peak: Peak
    notes: Notes
    goals: Goals
    slots: tuple[int, ...] = (16, 32, 64)
    positions: int = 1024
    shape: ServerShape = field(default_factory=ServerShape)
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """How many servers, of one GPU each, and how their callers fare.

    Args:
        kind: The GPU, or what was measured.
        efficiency: Share of the data sheet's rates; 1 for measured costs.
        servers: How many; 0: no number of them meets the goals.
        slots: Slots of each.
        fared: Of the callers of one of them.
    """

    kind: str
    efficiency: float
    servers: int
    slots: int
    fared: Fared


def answer_modelled(question: Question, gpu: Gpu, efficiency: float) -> Answer:
    """Answer for a GPU, modelled from its data sheet.

    Raises:
        ValueError: the efficiency is out of range, or no number of slots fits into the GPU.
    """
    fitting = [slots for slots in question.slots if slots <= slots_that_fit(gpu, question.positions)]
    if not fitting:
        most = slots_that_fit(gpu, question.positions)
        raise ValueError(f"slots: got {min(question.slots)}; allowed: at most {most} on {gpu.name}")
    answers = (
        _answer(question, modelled_costs(gpu, efficiency, slots, question.positions), slots, gpu.name, efficiency)
        for slots in fitting
    )
    return _best(answers)


def answer_measured(question: Question, costs: Costs) -> Answer:
    """Answer for servers on a machine whose costs were measured."""
    measured_rows = int(costs.step.base_s.at[-1])
    fitting = [slots for slots in question.slots if slots <= measured_rows] or [measured_rows]
    return _best(_answer(question, costs, slots, costs.name, 1.0) for slots in fitting)


def _best(answers: Iterator[Answer]) -> Answer:
    return min(answers, key=lambda answer: (answer.servers or math.inf, answer.fared.completion_p95_s))


def _answer(question: Question, costs: Costs, slots: int, kind: str, efficiency: float) -> Answer:
    runs: dict[int, Fared] = {}

    def is_enough(count: int) -> bool:
        runs[count] = _run(question, costs, slots, count)
        return question.goals.are_met(runs[count])

    count = _fewest(is_enough, _first_guess(question, costs, slots))
    return Answer(kind, efficiency, count, slots, runs[count] if count else runs[max(runs)])


def _run(question: Question, costs: Costs, slots: int, count: int) -> Fared:
    shape = replace(question.shape, slots=slots)
    most_refused = math.ceil(question.goals.refused_share * question.peak.requests / count)
    return run_peak(costs, shape, question.peak, question.notes, 1 / count, question.seed, most_refused)


def _first_guess(question: Question, costs: Costs, slots: int) -> int:
    """Servers that would do if all of them were busy all the time at the peak."""
    position = question.notes.voice_tokens + int(question.notes.mean_s * FRAMES_PER_SECOND / 2)
    frame_s = (costs.step.seconds(slots, position, position) + costs.round_s) / slots
    frame_s += costs.codec.seconds([32] * 8) / 256
    return max(1, math.ceil(question.peak.peak_per_s * question.notes.mean_s * FRAMES_PER_SECOND * frame_s))


def _fewest(is_enough: Callable[[int], bool], guess: int) -> int:
    """Smallest count that is enough, looked for from a guess on; 0: none is."""
    high = guess
    while not is_enough(high):
        high = math.ceil(high * 1.2)
        if high > max(64 * guess, 64) or high > MOST_SERVERS:
            return 0
    low, step = high, 1
    while low > 1:
        low = max(1, high - step)
        if not is_enough(low):
            break
        high, step = low, step * 2
    else:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
