"""What OpenAI's clients send."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from s1_gateway.model_options import ModelOptions
from s1_protocol.limits import MAX_TEXT_CHARACTERS

ResponseFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


def _voice_name(value: object) -> object:
    """OpenAI's own clients may write ``{"id": "..."}`` for a name."""
    return value["id"] if isinstance(value, dict) and set(value) == {"id"} else value


class SpeechBody(ModelOptions):
    """Body of ``POST /v1/audio/speech``; what is not known is ignored, as clients add fields without notice."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(min_length=1, max_length=255)
    # what the description says and nothing here checks is checked where the message names what is allowed
    input: str = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_TEXT_CHARACTERS, "pattern": r"\S"})
    voice: Annotated[str, BeforeValidator(_voice_name)] = Field(
        description='a name, or {"id": name}', json_schema_extra={"minLength": 1, "maxLength": 255}
    )
    response_format: ResponseFormat | None = "mp3"
    speed: float | None = Field(default=1.0, ge=0.25, le=4, allow_inf_nan=False)
    stream_format: Literal["audio", "sse"] | None = "audio"
    instructions: str | None = Field(default=None, description="taken and not followed: the model knows none")

    sample_rate: int | None = Field(default=None, description="of the sound; ours")
