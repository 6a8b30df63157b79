"""Options of the model as fields of any protocol's message; ranges and words are those of the table in s1_protocol."""

from typing import Any

from pydantic import BaseModel, Field

from s1_client import ServiceClass, SpeechOptions
from s1_protocol.option_kinds import NumberOption
from s1_protocol.request_options import MAX_FRAMES, REPETITION_PENALTY, SEED, TEMPERATURE, TOP_P


def _number(option: NumberOption) -> Any:
    ge, gt = (option.low, None) if option.is_low_allowed else (None, option.low)
    return Field(default=None, ge=ge, gt=gt, le=option.high, description=option.help)


class ModelOptions(BaseModel):
    """What a caller may say of how the model speaks; None leaves an option to the server."""

    seed: int | None = _number(SEED)
    temperature: float | None = _number(TEMPERATURE)
    top_p: float | None = _number(TOP_P)
    repetition_penalty: float | None = _number(REPETITION_PENALTY)
    max_frames: int | None = _number(MAX_FRAMES)

    def options(self, service: ServiceClass, deadline_ms: int | None = None) -> SpeechOptions:
        """Make the request's options, without a voice.

        Args:
            service: A call has priority over a note.
            deadline_ms: When the first sound is worth nothing any more; None: always.
        """
        named = {name: getattr(self, name) for name in ModelOptions.model_fields}
        return SpeechOptions(**named, service=service, deadline_ms=deadline_ms)
