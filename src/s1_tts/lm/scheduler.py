"""Who gets a slot next: a bounded queue of two classes. Plain bookkeeping, no model and no clock."""

import heapq
from collections import Counter, deque

from s1_protocol.errors import UnavailableError
from s1_protocol.names import ServiceClass
from s1_tts.lm.sequence import Sequence, Status

CALLS_PER_NOTE = 4
"""While a note waits that could run, at most this many calls go before it."""


class Scheduler:
    """Slots, and the sequences that wait for one.

    Calls go first, and ``call_slots`` slots are theirs alone. Notes still make progress: after ``CALLS_PER_NOTE``
    calls in a row it is a waiting note's turn. Within a class, the caller with the fewest slots goes first, then the
    one whose last turn is longest ago. Requests without a caller's name share one.

    Args:
        max_slots: Sequences that run at once.
        max_queue: Sequences of each class that wait; one more is refused. Of them a named caller may have half.
        call_slots: Slots that notes may not take; at least one slot is always open to notes.
    """

    def __init__(self, max_slots: int, max_queue: int, call_slots: int) -> None:
        self.max_slots = max_slots
        self.max_queue = max_queue
        self._note_slots = max(1, max_slots - call_slots)
        self._free_slots = list(range(max_slots))
        self._waiting: dict[ServiceClass, deque[Sequence]] = {service: deque() for service in ServiceClass}
        self.running: list[Sequence] = []
        self._calls_before_note = 0
        self._turns: dict[str, int] = {}
        self._num_turns = 0

    @property
    def has_work(self) -> bool:
        """Whether anything runs or waits."""
        return bool(self.running) or any(self._waiting.values())

    @property
    def waiting(self) -> list[Sequence]:
        """All that wait, calls first, each class by arrival."""
        return [*self._waiting[ServiceClass.CALL], *self._waiting[ServiceClass.NOTE]]

    @property
    def num_free_slots(self) -> int:
        """Slots that nobody has."""
        return len(self._free_slots)

    def num_running(self, service: ServiceClass) -> int:
        """Sequences of a class that have a slot."""
        return sum(sequence.request.service == service for sequence in self.running)

    def num_waiting(self, service: ServiceClass) -> int:
        """Sequences of a class that wait for a slot."""
        return len(self._waiting[service])

    def num_open(self, service: ServiceClass) -> int:
        """Slots that a new sequence of a class could have now."""
        if service is ServiceClass.CALL:
            return self.num_free_slots
        return max(0, min(self.num_free_slots, self._note_slots - self.num_running(ServiceClass.NOTE)))

    def num_ahead(self, service: ServiceClass, caller: str = "") -> int:
        """Sequences that a new one of this class and caller waits for: those before it, less its free slots."""
        ahead = self._num_before(ServiceClass.CALL, caller if service is ServiceClass.CALL else None)
        if service is ServiceClass.NOTE:
            ahead += self._num_before(ServiceClass.NOTE, caller)
        return max(0, ahead - self.num_open(service))

    def add(self, sequence: Sequence) -> None:
        """Let a new sequence wait.

        Raises:
            UnavailableError: the queue of its class is full, or its caller's share of it.
        """
        service, caller = sequence.request.service, sequence.request.caller
        waiting = self._waiting[service]
        # A waiting sequence that can have an open slot at the next admission does not count against the queue.
        num_open = self.num_open(service)
        if len(waiting) - num_open >= self.max_queue:
            raise UnavailableError(
                f"the queue is full: {self.max_slots} slots are taken and {len(waiting)} requests of "
                f"class {service} wait for one; try again later"
            )
        share = max(1, self.max_queue // 2)
        num_own = sum(other.request.caller == caller for other in waiting)
        if caller and num_own - num_open >= share:
            raise UnavailableError(
                f"this caller's share of the queue is full: {num_own} of its requests of class {service} wait; "
                f"allowed: {share}; try again later"
            )
        waiting.append(sequence)

    def admit(self) -> list[Sequence]:
        """Give free slots to those whose turn it is."""
        admitted = []
        while self._free_slots and (sequence := self._next()) is not None:
            sequence.slot = heapq.heappop(self._free_slots)
            sequence.status = Status.PREFILLING
            self.running.append(sequence)
            admitted.append(sequence)
        return admitted

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out, wherever it is; its slot is free at once."""
        if sequence.status is Status.WAITING:
            self._waiting[sequence.request.service].remove(sequence)
        elif sequence.status is not Status.DONE:
            self.running.remove(sequence)
            heapq.heappush(self._free_slots, sequence.slot)
        sequence.status = Status.DONE

    def _next(self) -> Sequence | None:
        calls, notes = self._waiting[ServiceClass.CALL], self._waiting[ServiceClass.NOTE]
        is_note_possible = bool(notes) and self.num_open(ServiceClass.NOTE) > 0
        if not is_note_possible:
            self._calls_before_note = 0
            return self._take_fairly(calls) if calls else None
        if calls and self._calls_before_note < CALLS_PER_NOTE:
            self._calls_before_note += 1
            return self._take_fairly(calls)
        self._calls_before_note = 0
        return self._take_fairly(notes)

    def _take_fairly(self, waiting: deque[Sequence]) -> Sequence:
        num_slots = Counter(sequence.request.caller for sequence in self.running)
        chosen = min(
            waiting, key=lambda each: (num_slots[each.request.caller], self._turns.get(each.request.caller, 0))
        )
        waiting.remove(chosen)
        self._num_turns += 1
        present = {sequence.request.caller for sequence in (*self.running, *self.waiting)}
        self._turns = {caller: turn for caller, turn in self._turns.items() if caller in present}
        self._turns[chosen.request.caller] = self._num_turns
        return chosen

    def _num_before(self, service: ServiceClass, caller: str | None) -> int:
        """Sequences of a class that go before a new one of a caller; none: of another class, before all of it."""
        numbers = Counter(sequence.request.caller for sequence in self._waiting[service])
        if caller is None:
            return numbers.total()
        turn = numbers[caller] + 1
        return turn - 1 + sum(min(number, turn) for other, number in numbers.items() if other != caller)
