"""Callers of the voices who leave, and a store that hangs: nobody else waits for either."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from s1_protocol.errors import UnavailableError
from s1_protocol.names import VoiceOperation
from s1_tts.voices.service import STORE_THREADS
from s1_tts.voices.voice import Recording, Voice
from s1_tts.voices.voice_ask import VoiceAsk
from s1_tts.voices.voice_command import VoiceCommand
from tests.unit.voices.serving import CountedEncoder, Make, reference
from tests.unit.voices.sounds import recording


def test_a_store_that_hangs_holds_up_neither_sent_recordings_nor_voices_in_memory(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where more ask it than there are threads for that."""
    service = make()
    service.store.put(Voice("anna", (Recording(recording(), "Words."),)))
    spoken = service.resolve(VoiceAsk("anna"))
    answers = threading.Event()

    def hang(*_: object) -> str:
        answers.wait()
        raise UnavailableError("the store does not answer")

    monkeypatch.setattr("s1_tts.voices.service.STORE_PATIENCE_S", 0.1)
    monkeypatch.setattr(service.store, "version", hang)
    monkeypatch.setattr(service.store, "get", hang)
    hanging = [service.submit(VoiceAsk(f"berta{number}")) for number in range(2 * STORE_THREADS)]
    try:
        assert service.submit(reference(300)).result(timeout=60)
        assert service.submit(VoiceAsk("anna")).result(timeout=60) == spoken
        assert not any(future.done() for future in hanging)
    finally:
        answers.set()
    assert all(isinstance(future.exception(), UnavailableError) for future in hanging)


def test_who_leaves_frees_the_place_and_what_has_not_begun_is_dropped(make: Make, encoder: CountedEncoder) -> None:
    service = make(max_waiting=4)
    encoder.gate.clear()
    begun, alone, shared, staying = [service.submit(reference(hz)) for hz in (300, 400, 500, 500)]
    wait_until(lambda: encoder.calls == 1)
    for future in (begun, alone, shared):
        future.cancel()
    wait_until(lambda: service.stats().waiting == 1)
    assert all(future.cancelled() for future in (begun, alone, shared))
    assert service.stats().recording_bytes == len(recording(500))
    encoder.gate.set()
    np.testing.assert_array_equal(staying.result()[0].codes, encoder.codes_of(recording(500)))
    assert encoder.calls == 2
    assert service.resolve(reference(400))  # what was dropped can be asked for again
    assert encoder.calls == 3


def test_who_leaves_at_once_frees_the_place_too(make: Make) -> None:
    """Before the task has begun."""
    service = make(max_waiting=2)
    for _ in range(50):
        futures = [service.submit(reference(hz)) for hz in (300, 400)]
        for future in futures:
            future.cancel()
        wait_until(lambda futures=futures: all(future.done() for future in futures))
    assert service.stats().waiting == 0
    assert service.stats().recording_bytes == 0


def test_a_change_of_the_store_that_has_begun_is_made_although_its_caller_leaves(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make()
    begins, may_end = threading.Event(), threading.Event()
    put = service.store.put

    def slow_put(voice: Voice) -> None:
        begins.set()
        may_end.wait()
        put(voice)

    monkeypatch.setattr(service.store, "put", slow_put)
    adding = service.run(VoiceCommand(VoiceOperation.ADD, "anna", (Recording(recording(), "words"),)))
    begins.wait()
    adding.cancel()
    removing = service.run(VoiceCommand(VoiceOperation.REMOVE, "anna"))
    assert not adding.done()
    assert service.stats().waiting == 2
    may_end.set()
    assert "anna" in adding.result()
    assert "anna" in removing.result()  # one after the other, as ever
    assert service.store.list() == []


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
