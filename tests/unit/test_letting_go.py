"""What a request brought is let go of once it is answered, and not when Python next looks for circles."""

import gc
import importlib
import logging
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from s1_protocol.errors import ErrorCode, InvalidArgumentError, S1Error

log = logging.Logger("quiet")  # of its own: pytest keeps all that is logged elsewhere, tracebacks included
log.addHandler(logging.NullHandler())
LONGEST_S = 10.0


class Recording:
    """One that can be watched."""


class Request:
    """A request to a decoupled model."""

    def get_response_sender(self) -> Any:
        return SimpleNamespace(send=lambda *_, **__: None)

    def is_cancelled(self) -> bool:
        return True


class TritonError:
    """As Triton's."""

    def __init__(self, message: str, code: object) -> None:
        self.told = message, code


for each in ErrorCode:
    setattr(TritonError, each.name, each)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Gives modules of ours that are to be had in Triton only."""
    utils = sys.modules.get("triton_python_backend_utils") or ModuleType("triton_python_backend_utils")
    monkeypatch.setitem(sys.modules, utils.__name__, utils)
    used = importlib.import_module("s1_tts.triton.triton_errors").pb_utils  # the one that the first test made
    monkeypatch.setattr(used, "TritonError", TritonError, raising=False)
    monkeypatch.setattr(used, "InferenceResponse", SimpleNamespace, raising=False)
    monkeypatch.setattr(used, "TRITONSERVER_RESPONSE_COMPLETE_FINAL", 1, raising=False)
    monkeypatch.setattr(importlib.import_module("s1_tts.triton.sender"), "pb_utils", used)
    return lambda name: importlib.import_module(f"s1_tts.triton.{name}")


@pytest.fixture
def no_search() -> Iterator[None]:
    """Python looks for no circles."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def refuse(recording: Recording) -> None:
    raise InvalidArgumentError("voice_audio", f"got {type(recording).__name__}", "sound")


def refuse_because(recording: Recording) -> None:
    try:
        refuse(recording)
    except InvalidArgumentError as fault:
        raise ValueError("cannot go on") from fault


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("work", [refuse, refuse_because], ids=["refused", "failed"])
def test_an_error_that_is_told_holds_nothing_of_its_request(
    module: Callable[[str], Any], work: Callable[[Recording], None]
) -> None:
    as_s1_error = module("triton_errors").as_s1_error
    given: list[weakref.ref[Recording]] = []

    def answer(recording: Recording) -> S1Error:
        given.append(weakref.ref(recording))
        try:
            work(recording)
        except Exception as error:
            told: S1Error = as_s1_error(log, "a request could not be answered", error)
            return told
        raise AssertionError

    told = answer(Recording())
    assert str(told)
    assert [each() for each in given] == [None]


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("is_refused", [False, True])
def test_a_request_is_let_go_of_once_it_is_answered(module: Callable[[str], Any], is_refused: bool) -> None:
    """Although somebody still knows who answered it, and the thread that did so waits for the next."""
    sender = module("sender").Sender()
    request = Request()
    alive = weakref.ref(request)
    responder = module("sender").Responder(request, sender, is_error_coded=False)
    del request
    assert responder.is_cancelled()
    if is_refused:
        responder.fail(InvalidArgumentError("text", "is empty", "some words"))
    else:
        responder.finish()
    ends_s = time.monotonic() + LONGEST_S
    while alive() is not None and time.monotonic() < ends_s:
        time.sleep(0.01)
    assert alive() is None
    assert not responder.is_cancelled()
    posted = weakref.ref(responder)
    del responder
    while posted() is not None and time.monotonic() < ends_s:
        time.sleep(0.01)
    assert posted() is None
    sender.close()
