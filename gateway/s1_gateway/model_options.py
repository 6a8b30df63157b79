"""Options of the model as fields of any protocol's message, made of the table in s1_protocol."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, create_model

from s1_client import ServiceClass, SpeechOptions
from s1_protocol.option_kinds import Caller, NumberOption, Option
from s1_protocol.request_options import VOICE_OPTIONS, options_for

OFFERED = tuple(option for option in options_for(Caller.GATEWAY) if option not in VOICE_OPTIONS)
"""What a caller may say of how the model speaks. Each protocol has a way of its own to name a voice."""


def _field(option: Option) -> Any:
    bounds: dict[str, Any] = {}
    if isinstance(option, NumberOption):
        bounds = {"ge" if option.is_low_allowed else "gt": option.low, "le": option.high}
    return option.value_type | None, Field(default=None, description=option.help, **bounds)


if TYPE_CHECKING:

    class _Offered(BaseModel):
        """Fields that a type checker cannot see, since the table makes them."""
else:
    _Offered = create_model("_Offered", **{option.field.value: _field(option) for option in OFFERED})


class ModelOptions(_Offered):
    """What a caller may say of how the model speaks; None leaves an option to the server."""

    def options(self, service: ServiceClass, deadline_ms: int | None = None) -> SpeechOptions:
        """Make the request's options, without a voice.

        Args:
            service: A call has priority over a note.
            deadline_ms: When the first sound is worth nothing any more; None: always.
        """
        named = {option.field.value: getattr(self, option.field.value) for option in OFFERED}
        return SpeechOptions(**named, service=service, deadline_ms=deadline_ms)
