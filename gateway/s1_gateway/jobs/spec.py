"""What a job is to say and how, as its record keeps it."""

import hashlib
import json
from dataclasses import asdict
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from s1_client import ServiceClass, SpeechOptions
from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.model_options import ModelOptions

FORMATS: Final = {
    "wav": AudioFormat.WAV,
    "flac": AudioFormat.FLAC,
    "mp3": AudioFormat.MP3,
    "opus": AudioFormat.OPUS,
}
JobFormat = Literal["wav", "flac", "mp3", "opus"]


class JobSpec(BaseModel):
    """A job's order, with all defaults in it.

    Args:
        text: What to say.
        voice: Name as the caller wrote it; None: the model's own.
        sound_format: Of the file.
        sample_rate_hz: None: the format's own.
        speed: 2 is twice as fast.
        options: Those that the caller named.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    voice: str | None
    sound_format: JobFormat
    sample_rate_hz: int | None
    speed: float
    options: dict[str, Any]

    @classmethod
    def of(
        cls, text: str, voice: str | None, sound: tuple[JobFormat, int | None, float], options: ModelOptions
    ) -> Self:
        """Make one of what came.

        Args:
            text: What to say.
            voice: Its name.
            sound: Format, sample rate and speed.
            options: Further fields of the request.

        Raises:
            SoundSpecError: the format cannot do this.
        """
        named = {name: value for name, value in asdict(options.options(ServiceClass.NOTE)).items() if value is not None}
        # a job that is done again, by another worker or for another caller, is to sound the same
        named.setdefault("seed", int.from_bytes(hashlib.sha256(text.encode()).digest()[:3], "little"))
        sound_format, sample_rate_hz, speed = sound
        spec = cls(
            text=text,
            voice=voice,
            sound_format=sound_format,
            sample_rate_hz=sample_rate_hz,
            speed=speed,
            options=named,
        )
        spec.sound()  # refuses a rate or a speed that the format does not have
        return spec

    def speech_options(self) -> SpeechOptions:
        """How the model is to speak, without a voice."""
        return SpeechOptions(**self.options | {"service": ServiceClass.NOTE})

    def sound(self) -> SoundSpec:
        """How the file is to sound."""
        return SoundSpec(FORMATS[self.sound_format], sample_rate_hz=self.sample_rate_hz, speed=self.speed)


def content_key(spec: JobSpec, options: SpeechOptions, voice: str, weights: str) -> str:
    """Name sound by all that it depends on.

    Args:
        spec: Text and format.
        options: Of the request, with the voice's id and the seed in them.
        voice: Of the stored voice, so that a voice stored anew under its name is another one.
        weights: Fingerprint of what the servers serve.
    """
    told = {name: value for name, value in asdict(options).items() if name != "service"}
    sound = (spec.sound_format, spec.sound().rate_hz, spec.speed)
    content = json.dumps([spec.text, told, sound, voice, weights], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
