"""A code and a message survive the way through one string."""

import pytest

from s1_protocol.coded_message import CodedMessage
from s1_protocol.errors import ErrorCode, InvalidArgumentError, NotFoundError

ENSEMBLE = "in ensemble 's1_mini_stream', "


@pytest.mark.parametrize("times", [0, 1, 2, 140])
@pytest.mark.parametrize("code", [None, *ErrorCode])
def test_what_was_written_is_read_behind_any_number_of_ensembles(code, times):
    told = CodedMessage("text: is empty; allowed: UTF-8 text\nof two lines", code)
    assert CodedMessage.read(ENSEMBLE * times + told.write()) == told


def test_the_code_of_an_error_is_its_own():
    assert CodedMessage.of(NotFoundError("voice: no such voice")).write() == "NOT_FOUND: voice: no such voice"


@pytest.mark.parametrize(
    "text", ["", "a message, INTERNAL: of somebody", "voice: in ensemble 'x', is odd", "UNKNOWN_CODE: text"]
)
def test_what_only_looks_like_a_code_inside_a_message_stays_there(text):
    assert CodedMessage.read(text) == CodedMessage(text)


def test_a_message_that_repeats_a_code_keeps_the_second():
    error = InvalidArgumentError("text", "got 'INTERNAL: x'", "text")
    assert CodedMessage.read(CodedMessage.of(error).write()) == CodedMessage(str(error), ErrorCode.INVALID_ARG)


@pytest.mark.parametrize(
    "message",
    [
        "Server is stopping, scheduler for model has stopped accepting new inference requests",
        "Request for unknown model: 's1_mini_stream' version 1 is not at ready state",
        "Request for unknown model: 's1_mini_stream' has no available versions",
    ],
)
def test_tritons_own_refusals_have_a_code(message):
    told = CodedMessage(message, ErrorCode.UNAVAILABLE)
    assert CodedMessage.read(f"{ENSEMBLE}[request id: <id_unknown>] {message}") == told
    assert CodedMessage.read(message) == told
