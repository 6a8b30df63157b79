"""What Cartesia's clients send. Unknown fields are ignored: clients add them without notice."""

import math
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, Field

from s1_client import ServiceClass, SpeechOptions
from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.errors import invalid
from s1_gateway.model_options import ModelOptions
from s1_protocol.limits import MAX_TEXT_CHARACTERS

LONGEST_BUFFER_MS: Final = 5000
DEFAULT_BUFFER_MS: Final = 3000

Encoding = Literal["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"]
RAW_FORMATS: Final = {name: AudioFormat(name) for name in get_args(Encoding)}
WAV_FORMATS: Final = {"pcm_s16le": AudioFormat.WAV, "pcm_f32le": AudioFormat.WAV_F32LE}


class Voice(BaseModel):
    """Who speaks."""

    mode: Literal["id"] = "id"
    id: str | None = Field(default=None, max_length=255, description="none: the model's own voice")


def _voice(value: object) -> object:
    """Since its version of 2026 Cartesia takes the id alone for a voice."""
    return {"id": value} if isinstance(value, str) else value


class OutputFormat(BaseModel):
    """How it shall sound, where sound comes in messages or events."""

    container: Literal["raw"] = "raw"
    encoding: Encoding
    sample_rate: int


class FileFormat(BaseModel):
    """How it shall sound, where the answer's body is the sound."""

    container: Literal["raw", "wav", "mp3"] = "raw"
    encoding: Encoding | None = Field(default=None, description="of `raw` and `wav`")
    sample_rate: int
    bit_rate: int | None = Field(default=None, description="of `mp3`")

    def audio_format(self) -> AudioFormat:
        """The format that container and encoding name.

        Raises:
            GatewayError: they name none.
        """
        if self.container == "mp3":
            return AudioFormat.MP3
        allowed = WAV_FORMATS if self.container == "wav" else RAW_FORMATS
        chosen = allowed.get(self.encoding or "")
        if chosen is None:
            fault = f"got {self.encoding or 'none'}; allowed for {self.container}: {', '.join(allowed)}"
            raise invalid("output_format.encoding", fault)
        return chosen


class GenerationConfig(BaseModel):
    """Speed and loudness; emotions are taken and not followed."""

    speed: float | None = Field(default=None, ge=0.25, le=4, allow_inf_nan=False)
    volume: float | None = Field(default=None, ge=0.1, le=10, allow_inf_nan=False, description="a factor")


class SpeechFields(ModelOptions):
    """What is the same on the socket and over HTTP."""

    voice: Annotated[Voice | None, BeforeValidator(_voice, json_schema_input_type=Voice | str | None)] = Field(
        default=None, description="also the id alone"
    )
    generation_config: GenerationConfig | None = None
    add_timestamps: bool | None = False

    @property
    def voice_id(self) -> str | None:
        """Who speaks; None: the model's own voice."""
        return self.voice.id if self.voice is not None else None

    def call_options(self) -> SpeechOptions:
        """How it shall be said, without a voice."""
        return self.options(ServiceClass.CALL)

    def _sound(self, audio_format: AudioFormat, rate_hz: int, bit_rate_bps: int | None = None) -> SoundSpec:
        chosen = self.generation_config or GenerationConfig()
        return SoundSpec(
            audio_format,
            sample_rate_hz=rate_hz,
            bit_rate_bps=bit_rate_bps,
            speed=chosen.speed or 1.0,
            volume_db=20 * math.log10(chosen.volume or 1.0),
        )


class CartesiaMessage(SpeechFields):
    """A message of the caller; voice and format count where a context begins."""

    context_id: str | None = Field(default=None, min_length=1, max_length=255)
    transcript: str | None = Field(default=None, description="what to say, or a piece of it")
    more: bool | None = Field(default=False, alias="continue", description="whether pieces of the text follow")
    flush: bool | None = Field(default=False, description="say what is pending, and tell when it was said")
    cancel: bool | None = Field(default=False, description="stop the context")

    output_format: OutputFormat | None = None
    max_buffer_delay_ms: int | None = Field(
        default=None, ge=0, le=LONGEST_BUFFER_MS, description="how long a sentence that is not whole may wait"
    )

    @property
    def buffer_s(self) -> float:
        """How long text may wait for more of its sentence; 0: each message is said as it is."""
        chosen_ms = DEFAULT_BUFFER_MS if self.max_buffer_delay_ms is None else self.max_buffer_delay_ms
        return chosen_ms / 1000

    def sound(self) -> SoundSpec:
        """How it shall sound.

        Raises:
            GatewayError: nothing is said of it.
            SoundSpecError: there is no such rate.
        """
        if self.output_format is None:
            raise invalid("output_format", "got none; allowed: container, encoding and sample_rate")
        return self._sound(AudioFormat(self.output_format.encoding), self.output_format.sample_rate)


class _Request(SpeechFields):
    # what is not checked here is checked where the message names what is allowed
    transcript: str = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_TEXT_CHARACTERS, "pattern": r"\S"})


class SoundRequest(_Request):
    """Body of ``POST /tts/bytes``."""

    output_format: FileFormat

    def sound(self) -> SoundSpec:
        """How it shall sound.

        Raises:
            GatewayError: there is no such encoding in that container.
            SoundSpecError: there is no such rate.
        """
        chosen = self.output_format
        bit_rate_bps = chosen.bit_rate if chosen.container == "mp3" else None
        return self._sound(chosen.audio_format(), chosen.sample_rate, bit_rate_bps)


class EventsRequest(_Request):
    """Body of ``POST /tts/sse``."""

    output_format: OutputFormat
    context_id: str | None = Field(default=None, max_length=255, description="stands in every event")

    def sound(self) -> SoundSpec:
        """How it shall sound.

        Raises:
            SoundSpecError: there is no such rate.
        """
        return self._sound(AudioFormat(self.output_format.encoding), self.output_format.sample_rate)
