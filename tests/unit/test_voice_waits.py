"""Who waited for a voice is let go at once, with the recording that was sent."""

import gc
import importlib
import sys
import weakref
from concurrent.futures import Future
from types import ModuleType
from typing import Any

import pytest

from s1_protocol.errors import InvalidArgumentError


class Responder:
    """Counts what is sent."""

    def __init__(self) -> None:
        self.num_sent = 0

    def send(self, outputs: Any, *, is_final: bool) -> None:
        assert is_final
        self.num_sent += 1

    def fail(self, error: Exception) -> None:
        self.num_sent += 1

    def is_cancelled(self) -> bool:
        return False


class Recording:
    """One that can be watched."""


def refuse(recording: Recording) -> None:
    raise InvalidArgumentError("voice_audio", f"got {type(recording).__name__}", "sound")


@pytest.mark.parametrize("is_refused", [False, True])
def test_who_was_answered_is_let_go_without_a_search_for_cycles(
    monkeypatch: pytest.MonkeyPatch, is_refused: bool
) -> None:
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("triton_python_backend_utils"))
    waits = importlib.import_module("s1_tts.triton.voice_waits").VoiceWaits()
    gc.collect()
    gc.disable()
    try:
        future: Future[Any] = Future()
        responder, recording = Responder(), Recording()
        alive = weakref.ref(responder), weakref.ref(recording)
        waits.enter(responder, future, lambda found: [found])
        if is_refused:
            try:
                refuse(recording)
            except InvalidArgumentError as error:
                future.set_exception(error)
        else:
            future.set_result(recording)
        assert responder.num_sent == 1
        del responder, recording, future
        assert [each() for each in alive] == [None, None]
    finally:
        gc.enable()
        waits.close()
