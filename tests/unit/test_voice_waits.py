"""Who waited for a voice is let go at once, with the recording that was sent."""

import gc
import sys
import weakref
from concurrent.futures import Future
from types import ModuleType
from typing import Any

import pytest


class Responder:
    """Counts what is sent."""

    def __init__(self) -> None:
        self.num_sent = 0

    def send(self, outputs: Any, *, is_final: bool) -> None:
        assert is_final
        self.num_sent += 1

    def is_cancelled(self) -> bool:
        return False


def test_who_was_answered_is_let_go_without_a_search_for_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("triton_python_backend_utils"))
    from s1_tts.triton.voice_waits import VoiceWaits  # what it imports is to be had in Triton only

    waits = VoiceWaits()
    gc.collect()
    gc.disable()
    try:
        future: Future[Any] = Future()
        responder = Responder()
        answered = weakref.ref(responder)
        waits.enter(responder, future, lambda found: [found])  # type: ignore[arg-type]
        future.set_result("found")
        assert responder.num_sent == 1
        del responder, future
        assert answered() is None
    finally:
        gc.enable()
        waits.close()
