"""What is said on our own WebSocket."""

from typing import Literal

from pydantic import ConfigDict, Field

from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.model_options import ModelOptions

SHORT_NAMES = {"pcm": AudioFormat.PCM_S16LE, "ulaw": AudioFormat.PCM_MULAW, "alaw": AudioFormat.PCM_ALAW}


class LiveMessage(ModelOptions):
    """A message of the caller; options count where a context begins, and are refused if they are unknown."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(default=None, description="what to say, or a piece of it")
    context_id: str | None = Field(default=None, min_length=1, max_length=128, description="names an answer")
    more: bool = Field(default=False, description="whether pieces of the text follow")
    flush: bool = Field(default=False, description="say what is pending now")
    cancel: bool = Field(default=False, description="stop the context, or all of them without its id")

    when_slow: Literal["wait", "drop"] = Field(
        default="wait", description="for a caller who takes sound too slowly: all of it late, or some left out"
    )
    voice: str | None = Field(default=None, max_length=255)
    format: str = Field(default="pcm", description="pcm or another format")
    sample_rate: int | None = None
    bit_rate: int | None = None
    speed: float = Field(default=1.0, allow_inf_nan=False)

    def sound(self) -> SoundSpec:
        """How it shall sound.

        Raises:
            ValueError: there is no such format.
        """
        chosen = SHORT_NAMES.get(self.format) or AudioFormat(self.format)
        return SoundSpec(chosen, sample_rate_hz=self.sample_rate, bit_rate_bps=self.bit_rate, speed=self.speed)
