"""What Cartesia's clients send. Unknown fields are ignored: clients add them without notice."""

import math
from typing import Final, Literal

from pydantic import BaseModel, Field

from s1_client import ServiceClass, SpeechOptions
from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.errors import invalid
from s1_gateway.model_options import ModelOptions

LONGEST_BUFFER_MS: Final = 5000
DEFAULT_BUFFER_MS: Final = 3000


class Voice(BaseModel):
    """Who speaks."""

    mode: Literal["id"] = "id"
    id: str | None = Field(default=None, max_length=255, description="none: the model's own voice")


class OutputFormat(BaseModel):
    """How it shall sound."""

    container: Literal["raw"] = "raw"
    encoding: Literal["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"]
    sample_rate: int


class GenerationConfig(BaseModel):
    """Speed and loudness; emotions are taken and not followed."""

    speed: float | None = Field(default=None, ge=0.25, le=4, allow_inf_nan=False)
    volume: float | None = Field(default=None, ge=0.1, le=10, allow_inf_nan=False, description="a factor")


class CartesiaMessage(ModelOptions):
    """A message of the caller; voice and format count where a context begins."""

    context_id: str | None = Field(default=None, min_length=1, max_length=255)
    transcript: str | None = Field(default=None, description="what to say, or a piece of it")
    more: bool | None = Field(default=False, alias="continue", description="whether pieces of the text follow")
    flush: bool | None = Field(default=False, description="say what is pending, and tell when it was said")
    cancel: bool | None = Field(default=False, description="stop the context")

    voice: Voice | None = None
    output_format: OutputFormat | None = None
    generation_config: GenerationConfig | None = None
    add_timestamps: bool | None = False
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
        chosen = self.generation_config or GenerationConfig()
        return SoundSpec(
            AudioFormat(self.output_format.encoding),
            sample_rate_hz=self.output_format.sample_rate,
            speed=chosen.speed or 1.0,
            volume_db=20 * math.log10(chosen.volume or 1.0),
        )

    def call_options(self) -> SpeechOptions:
        """How it shall be said, without a voice."""
        return self.options(ServiceClass.CALL)
