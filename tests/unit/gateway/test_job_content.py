"""Sound is named by all that it depends on, and by nothing else."""

import dataclasses

import pytest

from s1_client import ServiceClass, SpeechOptions
from s1_gateway.jobs.spec import JobSpec, content_key

SPEC = JobSpec(text="Hello.", voice=None, sound_format="wav", sample_rate_hz=None, speed=1.0, options={"seed": 1})
OPTIONS = SPEC.speech_options()


def key(spec: JobSpec = SPEC, options: SpeechOptions = OPTIONS, voice: str = "v", weights: str = "w") -> str:
    return content_key(spec, options, voice, weights)


@pytest.mark.parametrize(
    "change",
    [{"text": "Hello!"}, {"sound_format": "flac"}, {"sample_rate_hz": 24_000}, {"speed": 1.5}],
    ids=str,
)
def test_text_and_sound(change):
    assert key(SPEC.model_copy(update=change)) != key()


@pytest.mark.parametrize("option", [each.name for each in dataclasses.fields(SpeechOptions) if each.name != "service"])
def test_every_option(option):
    values = {"voice": "anna", "seed": 2, "temperature": 0.5, "top_p": 0.5, "repetition_penalty": 1.5}
    value = values.get(option, 77)
    assert key(options=dataclasses.replace(OPTIONS, **{option: value})) != key()


def test_voice_and_weights():
    assert len({key(), key(voice="another"), key(weights="another")}) == 3


def test_not_what_changes_no_sound():
    """The name by which a caller calls a voice, how soon it is said, and the rate that the format has anyway."""
    assert key(options=dataclasses.replace(OPTIONS, service=ServiceClass.CALL)) == key()
    assert key(SPEC.model_copy(update={"voice": "alloy"})) == key()
    assert key(SPEC.model_copy(update={"sample_rate_hz": SPEC.sound().rate_hz})) == key()
