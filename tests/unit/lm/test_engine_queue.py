"""Who is refused, who waits, who goes first, and how a slot becomes free."""

import threading
from dataclasses import replace

import pytest

from s1_protocol.errors import CancelledError, InternalError, UnavailableError
from s1_protocol.names import ServiceClass
from s1_tts.lm.loading import LanguageModel
from tests.unit.lm.helpers import REQUESTS, TIMEOUT_S, Listener, make_engine, say


def test_a_full_queue_refuses_at_once(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1, queue=2)  # not started: nothing leaves
    listeners = [Listener() for _ in range(4)]
    for listener in listeners[:3]:
        engine.submit(REQUESTS[0], listener)
    with pytest.raises(UnavailableError, match="queue is full"):
        engine.submit(REQUESTS[0], listeners[3])
    assert engine.stats().refused == 1
    engine.close()
    for listener in listeners[:3]:
        assert isinstance(listener.error(), UnavailableError)


def test_a_deadline_that_cannot_be_met_is_refused(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1)
    engine.start()
    try:
        say(engine, REQUESTS[0])  # from now on the rates are measured
        with pytest.raises(UnavailableError, match="deadline_ms: 1 cannot be met"):
            engine.submit(replace(REQUESTS[0], deadline_ms=1), Listener())
        assert say(engine, replace(REQUESTS[0], deadline_ms=60_000)).failure is None
    finally:
        engine.close()


def test_a_deadline_that_passes_ends_the_stream(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1)
    listener = Listener()
    engine.submit(replace(REQUESTS[0], deadline_ms=1), listener)  # nothing is measured yet, so it is taken
    threading.Event().wait(0.01)
    engine.start()
    try:
        assert isinstance(listener.error(), UnavailableError)
        assert "has passed" in str(listener.error())
        assert engine.stats().active == {"call": 0, "note": 0}
    finally:
        engine.close()


def test_cancelling_frees_the_slot_and_the_queue_moves_on(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1)
    engine.start()
    first, second = Listener(), Listener()
    first_id = engine.submit(replace(REQUESTS[1], max_frames=4096), first)
    engine.submit(REQUESTS[4], second)
    assert first.started.wait(TIMEOUT_S)
    engine.abort([first_id, 12345])
    assert isinstance(first.error(), CancelledError)
    assert second.codes().shape[1] == 7
    stats = engine.stats()
    assert (stats.cancelled, stats.finished + stats.cut, stats.active["note"]) == (1, 1, 0)
    engine.close()


def test_an_abort_can_give_another_reason(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model)
    listener = Listener()
    stream_id = engine.submit(REQUESTS[0], listener)
    engine.abort([stream_id], InternalError("abc"))
    engine.start()
    assert "abc" in str(listener.error())
    engine.close()


def test_a_closed_engine_takes_nothing(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model)
    engine.start()
    engine.close()
    with pytest.raises(UnavailableError, match="shutting down"):
        engine.submit(REQUESTS[0], Listener())


def test_calls_overtake_waiting_notes(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1)
    order: list[str] = []

    class Named(Listener):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def __call__(self, event: object) -> None:
            if not self.started.is_set():
                order.append(self.name)
            super().__call__(event)  # type: ignore[arg-type]

    listeners = []
    for name in ("note 1", "note 2", "call"):
        service = ServiceClass.CALL if name == "call" else ServiceClass.NOTE
        listeners.append(Named(name))
        engine.submit(replace(REQUESTS[4], service=service), listeners[-1])
    engine.start()
    for listener in listeners:
        listener.codes()
    assert order == ["call", "note 1", "note 2"]
    engine.close()
