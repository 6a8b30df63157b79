"""What is told of a voice goes through JSON and back."""

import json

import pytest

from s1_protocol.voice_record import RecordingRecord, VoiceRecord

ANNA = VoiceRecord(
    "anna", (RecordingRecord("Hello.", 100, 1.5, "abc"), RecordingRecord("Not yet.", 7)), {"language": "en"}
)


def test_it_survives_json() -> None:
    assert VoiceRecord.from_json(json.loads(json.dumps(ANNA.to_json()))) == ANNA


def test_members_that_are_not_known_are_passed_over() -> None:
    grown = ANNA.to_json() | {"mood": "good"}
    grown["recordings"][0] |= {"loudness": -16}
    assert VoiceRecord.from_json(grown) == ANNA


def test_a_missing_member_is_told() -> None:
    with pytest.raises(KeyError, match="recordings"):
        VoiceRecord.from_json({"id": "anna", "metadata": {}})
