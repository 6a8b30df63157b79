"""Slots and queue, driven by made-up schedules."""

from collections import deque

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from s1_protocol.errors import UnavailableError
from s1_protocol.names import ServiceClass
from s1_tts.lm.scheduler import CALLS_PER_NOTE, Scheduler
from s1_tts.lm.sequence import Sequence, Status
from s1_tts.speech_task import SpeechTask


def make(service: ServiceClass = ServiceClass.NOTE, caller: str = "") -> Sequence:
    columns = np.zeros((11, 3), dtype=np.int64)
    return Sequence(
        0, SpeechTask("text", service=service, caller=caller), lambda event: None, deque(["text"]), columns, 0.0
    )


class SchedulerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(max_slots=4, max_queue=3, call_slots=1)
        self.open: list[Sequence] = []

    @rule(service=st.sampled_from(ServiceClass))
    def add(self, service: ServiceClass) -> None:
        sequence = make(service)
        waiting = self.scheduler.num_waiting(service)
        open_slots = self.scheduler.num_open(service)
        try:
            self.scheduler.add(sequence)
        except UnavailableError:
            assert waiting - open_slots >= 3
        else:
            assert waiting - open_slots < 3
            self.open.append(sequence)

    @rule()
    def admit(self) -> None:
        for sequence in self.scheduler.admit():
            assert sequence.status is Status.PREFILLING
        if self.scheduler.num_free_slots > 0:
            assert self.scheduler.num_waiting(ServiceClass.CALL) == 0
            if self.scheduler.num_waiting(ServiceClass.NOTE):
                assert self.scheduler.num_running(ServiceClass.NOTE) == 3  # the free slot is kept for a call

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        sequence = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.scheduler.remove(sequence)
        assert sequence.status is Status.DONE

    @invariant()
    def slots_are_owned_once(self) -> None:
        slots = [sequence.slot for sequence in self.scheduler.running]
        assert len(set(slots)) == len(slots)
        assert all(0 <= slot < 4 for slot in slots)
        assert len(slots) + self.scheduler.num_free_slots == 4

    @invariant()
    def nobody_is_lost(self) -> None:
        known = {id(sequence) for sequence in (*self.scheduler.running, *self.scheduler.waiting)}
        assert known == {id(sequence) for sequence in self.open}

    @invariant()
    def notes_leave_a_slot_for_calls(self) -> None:
        assert self.scheduler.num_running(ServiceClass.NOTE) <= 3


TestScheduler = SchedulerMachine.TestCase


def test_calls_go_first() -> None:
    scheduler = Scheduler(max_slots=2, max_queue=10, call_slots=0)
    sequences = [make(ServiceClass.NOTE), make(ServiceClass.NOTE), make(ServiceClass.CALL), make(ServiceClass.CALL)]
    for sequence in sequences:
        scheduler.add(sequence)
    assert scheduler.admit() == sequences[2:]


def test_notes_make_progress_under_a_flood_of_calls() -> None:
    scheduler = Scheduler(max_slots=1, max_queue=100, call_slots=0)
    note = make(ServiceClass.NOTE)
    scheduler.add(note)
    order = []
    for _ in range(CALLS_PER_NOTE + 2):
        scheduler.add(make(ServiceClass.CALL))
        (admitted,) = scheduler.admit()
        order.append(admitted.request.service)
        scheduler.remove(admitted)
    assert order.index(ServiceClass.NOTE) == CALLS_PER_NOTE


def test_an_only_slot_is_never_kept_from_notes() -> None:
    scheduler = Scheduler(max_slots=1, max_queue=1, call_slots=1)
    note = make(ServiceClass.NOTE)
    scheduler.add(note)
    assert scheduler.admit() == [note]


def test_a_full_queue_of_notes_still_takes_calls() -> None:
    scheduler = Scheduler(max_slots=1, max_queue=1, call_slots=0)
    scheduler.add(make())
    scheduler.admit()
    scheduler.add(make())
    with pytest.raises(UnavailableError, match="queue is full"):
        scheduler.add(make())
    scheduler.add(make(ServiceClass.CALL))
    assert scheduler.num_ahead(ServiceClass.CALL) == 1
    assert scheduler.num_ahead(ServiceClass.NOTE) == 2


class FairMachine(RuleBasedStateMachine):
    """Callers of all kinds: whoever has something waiting has a slot before long, however much the others send."""

    CALLERS = ("", "anna", "bert", "carl")
    SLOTS = 3

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(max_slots=self.SLOTS, max_queue=8, call_slots=0)
        self.turns_waited: dict[str, int] = {}

    @rule(caller=st.sampled_from(CALLERS), count=st.integers(1, 10))
    def add(self, caller: str, count: int) -> None:
        for _ in range(count):
            num_open = self.scheduler.num_open(ServiceClass.NOTE)
            num_waiting = len(self.scheduler.waiting)
            num_own = sum(sequence.request.caller == caller for sequence in self.scheduler.waiting)
            is_full = num_waiting - num_open >= 8 or (caller != "" and num_own - num_open >= 4)
            try:
                self.scheduler.add(make(caller=caller))
            except UnavailableError:
                assert is_full
            else:
                assert not is_full
                self.turns_waited.setdefault(caller, 0)

    @rule()
    def admit(self) -> None:
        for sequence in self.scheduler.admit():
            for caller in {waiting.request.caller for waiting in self.scheduler.waiting} - {sequence.request.caller}:
                self.turns_waited[caller] += 1
            self.turns_waited[sequence.request.caller] = 0

    @precondition(lambda self: self.scheduler.running)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.scheduler.running) - 1))
        self.scheduler.remove(self.scheduler.running[index])

    @invariant()
    def nobody_without_a_slot_waits_for_many_turns(self) -> None:
        with_slot = {sequence.request.caller for sequence in self.scheduler.running}
        for caller in {sequence.request.caller for sequence in self.scheduler.waiting} - with_slot:
            assert self.turns_waited[caller] <= self.SLOTS * len(self.CALLERS)


TestFairness = FairMachine.TestCase


def test_a_short_note_of_another_caller_goes_before_the_many_of_one() -> None:
    scheduler = Scheduler(max_slots=2, max_queue=64, call_slots=0)
    for _ in range(34):
        scheduler.add(make(caller="greedy"))
        scheduler.admit()
    short = make(caller="modest")
    assert scheduler.num_ahead(ServiceClass.NOTE, "modest") == 1
    scheduler.add(short)
    scheduler.remove(scheduler.running[0])
    assert scheduler.admit() == [short]


def test_one_caller_has_half_of_the_queue_and_those_without_a_name_all_of_it() -> None:
    scheduler = Scheduler(max_slots=1, max_queue=4, call_slots=0)
    scheduler.add(make(caller="anna"))
    scheduler.admit()
    for _ in range(2):
        scheduler.add(make(caller="anna"))
    with pytest.raises(UnavailableError, match="share of the queue is full: 2 of its requests of class note wait"):
        scheduler.add(make(caller="anna"))
    for _ in range(2):
        scheduler.add(make())
    with pytest.raises(UnavailableError, match="the queue is full"):
        scheduler.add(make())


def test_callers_without_a_name_are_served_as_they_came() -> None:
    scheduler = Scheduler(max_slots=1, max_queue=64, call_slots=0)
    sequences = [make() for _ in range(5)]
    for sequence in sequences:
        scheduler.add(sequence)
    for sequence in sequences:
        assert scheduler.admit() == [sequence]
        scheduler.remove(sequence)
