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


def make(service: ServiceClass = ServiceClass.NOTE) -> Sequence:
    columns = np.zeros((11, 3), dtype=np.int64)
    return Sequence(0, SpeechTask("text", service=service), lambda event: None, deque(["text"]), columns, 0.0)


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
