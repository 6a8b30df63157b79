"""What repeats the table of request options, because it is written for a type checker, says what the table says."""

import inspect
from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from typing import get_args, get_type_hints

import pytest

from s1_client.options import SpeechOptions
from s1_client.pipecat import S1TTSSettings, default_settings
from s1_protocol.names import Field
from s1_protocol.option_kinds import Caller, Option, TextOption, default_of
from s1_protocol.request_options import NUMBERS, OPTIONS, SOUND_OPTIONS, TEXT, VOICE_OPTIONS, options_for
from s1_tts.speech_task import Sampling, SpeechTask


def types_of(option: Option) -> list[object]:
    several = Sequence[option.value_type]  # type: ignore[name-defined]  # known when it runs
    return [option.value_type, several] if isinstance(option, TextOption) and option.is_list else [option.value_type]


def test_the_clients_options_are_those_of_the_table_in_its_order() -> None:
    hints = get_type_hints(SpeechOptions)
    assert {field.name: get_args(hints[field.name]) for field in fields(SpeechOptions)} == {
        option.field.value: (*types_of(option), type(None)) for option in OPTIONS
    }
    assert [field.name for field in fields(SpeechOptions)] == [option.field.value for option in OPTIONS]
    assert all(field.default is None for field in fields(SpeechOptions))


def test_pipecats_settings_are_those_that_it_is_offered() -> None:
    own = set(S1TTSSettings.__annotations__) | {"voice"}  # which is Pipecat's own
    assert own == {option.field.value for option in options_for(Caller.PIPECAT)}
    hints = get_type_hints(S1TTSSettings)
    for option in options_for(Caller.PIPECAT):
        assert option.value_type in get_args(hints[option.field.value])
    default_settings().validate_complete()


def test_the_engines_defaults_are_those_of_the_table() -> None:
    defaults = {
        name: parameter.default
        for kind in (Sampling, SpeechTask)
        for name, parameter in inspect.signature(kind).parameters.items()
    }
    assert {option.field.value: defaults[option.field.value] for option in NUMBERS} == {
        option.field.value: option.default for option in NUMBERS
    }


@pytest.mark.parametrize("option", [TEXT, *OPTIONS], ids=lambda option: option.field.value)
def test_a_row_can_be_put_into_a_table_and_a_help(option: Option) -> None:
    assert option.help
    assert not option.help[0].isupper() or option.help[1].isupper()
    assert not option.help.endswith(".")
    assert option.allowed
    assert default_of(option)
    assert option.wire_type in {"BYTES", "INT64", "INT32", "FP32", "BOOL"}
    kind = option.value_type
    assert kind in {str, bytes, int, float, bool} or issubclass(kind, StrEnum)


def test_every_option_is_in_the_table_once() -> None:
    assert (*VOICE_OPTIONS, *SOUND_OPTIONS) == OPTIONS
    assert len({option.field for option in OPTIONS}) == len(OPTIONS)
    assert Field.TEXT not in {option.field for option in OPTIONS}
