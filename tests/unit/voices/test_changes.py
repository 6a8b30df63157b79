"""Operations on stored voices: what they answer, what a change keeps, and that none is lost."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from s1_protocol.errors import InvalidArgumentError, NotFoundError, S1Error
from s1_protocol.names import VoiceOperation
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice_ask import VoiceAsk
from s1_tts.voices.voice_change import VoiceChange
from s1_tts.voices.voice_command import VoiceCommand
from tests.unit.voices.serving import CountedEncoder, Make, add, anna


def test_operations_answer_in_json(make: Make) -> None:
    service = make()
    add = VoiceCommand(VoiceOperation.ADD, "anna", anna(200.0).recordings, {"language": "de"})
    told = service.run(add).result()
    assert '"id": "anna"' in told
    assert '"seconds": 1.53' in told
    assert service.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result() == told
    assert service.run(VoiceCommand(VoiceOperation.LIST)).result() == '["anna"]'
    assert service.run(VoiceCommand(VoiceOperation.REMOVE, "anna")).result() == '{"id": "anna"}'
    assert service.run(VoiceCommand(VoiceOperation.LIST)).result() == "[]"
    with pytest.raises(S1Error):
        service.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result()


def change(service: VoiceService, voice_id: str, **changed: Any) -> str:
    command = VoiceCommand(VoiceOperation.CHANGE, voice_id, change=VoiceChange(**changed))
    return service.run(command).result()


def test_a_change_keeps_recordings_and_codes(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    command = VoiceCommand(VoiceOperation.ADD, "anna", anna(200.0, 300.0).recordings, {"title": "Anna", "tags": [1]})
    service.run(command).result()
    before = service.resolve(VoiceAsk("anna"))
    told = json.loads(change(service, "anna", metadata={"title": "Bernd", "tags": None}, transcripts=("one", "two")))
    assert told["metadata"] == {"title": "Bernd"}
    after = service.resolve(VoiceAsk("anna"))
    assert [prompt.transcript for prompt in after] == ["one", "two"]
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was.codes, now.codes)
    assert encoder.calls == 2, "nothing was encoded again"


def test_a_voice_gets_another_id(make: Make, encoder: CountedEncoder) -> None:
    service = make()
    add(service, anna())
    add(service, replace(anna(), id="taken"))
    before = service.resolve(VoiceAsk("anna"))
    calls = encoder.calls
    with pytest.raises(InvalidArgumentError, match="new_id: there is a voice 'taken' already"):
        change(service, "anna", new_id="taken")
    change(service, "anna", new_id="clara")
    np.testing.assert_array_equal(service.resolve(VoiceAsk("clara"))[0].codes, before[0].codes)
    with pytest.raises(NotFoundError):
        service.resolve(VoiceAsk("anna"))
    assert encoder.calls == calls


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, "operation: changes nothing"),
        ({"transcripts": ("one", "two")}, "reference_text: has 2 values for 1 recordings"),
        ({"transcripts": ("...",)}, "reference_text: has no letter"),
        ({"transcripts": ("word " * 50,)}, "reference_text: has 250 characters, which cannot be said"),
        ({"new_id": "../anna"}, "new_id: got"),
        ({"metadata": {"much": "a" * 70_000}}, "metadata: has 7"),
    ],
)
def test_a_change_that_does_not_fit_leaves_the_voice(make: Make, changed: dict[str, Any], fault: str) -> None:
    service = make()
    add(service, anna())
    shown = service.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result()
    with pytest.raises(InvalidArgumentError, match=fault):
        change(service, "anna", **changed)
    assert service.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result() == shown
    with pytest.raises(NotFoundError):
        change(service, "nobody", metadata={})


def test_of_two_changes_at_once_none_is_lost(make: Make) -> None:
    one, other = make(), make()
    add(one, anna())
    names = [str(number) for number in range(20)]
    commands = [VoiceCommand(VoiceOperation.CHANGE, "anna", change=VoiceChange({name: True})) for name in names]
    running = [(one, other)[number % 2].run(command) for number, command in enumerate(commands)]
    for each in running:
        each.result()
    shown = json.loads(one.run(VoiceCommand(VoiceOperation.SHOW, "anna")).result())
    assert shown["metadata"] == dict.fromkeys(names, True)
