"""What Fish's clients send. Unknown fields are ignored: clients add them without notice."""

import base64
import binascii
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from s1_client import ServiceClass, SpeechOptions
from s1_gateway.encoding import AudioFormat, SoundSpec, SoundSpecError
from s1_gateway.errors import invalid
from s1_gateway.model_options import ModelOptions
from s1_protocol.limits import MAX_RECORDINGS, MAX_TEXT_CHARACTERS
from s1_protocol.sound import SAMPLE_RATE_HZ

FORMATS: Final = {
    "wav": AudioFormat.WAV,
    "pcm": AudioFormat.PCM_S16LE,
    "mp3": AudioFormat.MP3,
    "opus": AudioFormat.OPUS,
}
OPUS_RATE_HZ: Final = 48_000
AUTOMATIC: Final = -1000
"""Opus' bit rate where the caller leaves it to us."""

# what holds at hosted S1 where a request does not say; the model's own defaults differ
TEMPERATURE: Final = 0.7
TOP_P: Final = 0.7
REPETITION_PENALTY: Final = 1.2


def _recording(value: object) -> bytes:
    """Bytes as msgpack has them, or base64 as JSON must."""
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else _no_recording()
    except binascii.Error:
        return _no_recording()


def _no_recording() -> bytes:
    raise ValueError("allowed: bytes, in JSON as base64")


class Reference(BaseModel):
    """A recording to sound like."""

    audio: Annotated[bytes, PlainValidator(_recording), WithJsonSchema({"type": "string", "format": "byte"})]
    text: str = Field(description="what is said in it")


class Prosody(BaseModel):
    """Speed and loudness."""

    speed: float | None = Field(default=1.0, ge=0.5, le=2, allow_inf_nan=False)
    volume: float | None = Field(
        default=0.0, ge=-20, le=20, allow_inf_nan=False, description="added to the loudness, in dB"
    )
    normalize_loudness: bool | None = False


class TtsRequest(ModelOptions):
    """Body of ``POST /v1/tts``, and what a ``start`` has under ``request``; the SDK sends null for what was not set."""

    model_config = ConfigDict(extra="ignore")

    # what the description says and nothing here checks is checked where the message names what is allowed
    text: str = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_TEXT_CHARACTERS, "pattern": r"\S"})
    reference_id: str | None = Field(default=None, max_length=255, description="a voice; none: the model's own")
    references: list[Reference] | None = Field(
        default=None,
        max_length=MAX_RECORDINGS,
        description="recordings of one speaker; each becomes a turn of the prompt",
    )
    format: Literal["wav", "pcm", "mp3", "opus"] | None = "mp3"
    sample_rate: int | None = Field(default=None, description="none: 44100, opus 48000")
    mp3_bitrate: int | None = Field(default=128, description="kbit/s")
    opus_bitrate: int | None = Field(
        default=32, description="kbit/s, or from 1000 on bit/s as LiveKit sends it; -1000: automatic"
    )
    prosody: Prosody | None = None
    latency: Literal["low", "normal", "balanced"] | None = "balanced"
    chunk_length: int | None = Field(
        default=200, ge=100, le=1000, description="taken and not followed: a text is cut where its sentences end"
    )

    def options_of(self, service: ServiceClass) -> SpeechOptions:
        """How it shall be said, without a stored voice.

        Raises:
            GatewayError: there are a recording and a voice.
        """
        named = super().options(service)
        if self.references and self.reference_id:
            raise invalid("references", f"got {len(self.references)} beside a reference_id; allowed: one of both")
        references = self.references or []
        return replace(
            named,
            temperature=TEMPERATURE if named.temperature is None else named.temperature,
            top_p=TOP_P if named.top_p is None else named.top_p,
            repetition_penalty=REPETITION_PENALTY if named.repetition_penalty is None else named.repetition_penalty,
            reference_audio=[reference.audio for reference in references] or None,
            reference_text=[reference.text for reference in references] or None,
        )

    def sound(self) -> SoundSpec:
        """How it shall sound.

        Raises:
            GatewayError: there is no such rate of samples or bits.
        """
        prosody = self.prosody or Prosody()
        audio_format = FORMATS[self.format or "mp3"]
        default_rate_hz = OPUS_RATE_HZ if audio_format is AudioFormat.OPUS else SAMPLE_RATE_HZ
        try:
            return SoundSpec(
                audio_format,
                sample_rate_hz=default_rate_hz if self.sample_rate is None else self.sample_rate,
                bit_rate_bps=self._bit_rate_bps(audio_format),
                speed=prosody.speed or 1.0,
                volume_db=prosody.volume or 0.0,
                normalize_loudness=bool(prosody.normalize_loudness),
            )
        except SoundSpecError as error:
            if error.field != "bit_rate":
                raise
            fault = f"got {error.got} bits per second; allowed: {error.allowed}"
            raise invalid(f"{audio_format.value}_bitrate", fault) from None

    def _bit_rate_bps(self, audio_format: AudioFormat) -> int | None:
        if audio_format is AudioFormat.MP3 and self.mp3_bitrate is not None:
            return 1000 * self.mp3_bitrate
        if audio_format is AudioFormat.OPUS and self.opus_bitrate not in (None, AUTOMATIC):
            return self.opus_bitrate if self.opus_bitrate >= 1000 else 1000 * self.opus_bitrate
        return None


class FishEvent(BaseModel):
    """A message of the caller on the WebSocket."""

    event: Literal["start", "text", "flush", "stop"]
    request: TtsRequest | None = Field(default=None, description="how to speak; with start")
    text: str | None = Field(default=None, description="a piece of the text; with text")
