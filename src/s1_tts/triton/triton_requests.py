"""What is in Triton's requests and responses: tensors and parameters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import triton_python_backend_utils as pb_utils

from s1_protocol.names import Parameter
from s1_tts.wire.arrays import Array, NamedArray

KNOWN = frozenset(parameter.value for parameter in Parameter)

LONGEST_CALLER = 64
"""Characters of a caller's name that count."""


@dataclass(frozen=True)
class Parameters:
    """What a request asks for beside its tensors.

    Args:
        is_base64_wanted: Whether ``audio_base64`` is to be filled.
        is_error_code_wanted: Whether the message of an error is to begin with its code.
        ticket: Key of the request at the collector that sent it; empty when it did not come from there.
        caller: Who asks, as a gateway says; empty: not told.
        others: Names of what else came, of Triton's own, for others, or by mistake.
    """

    is_base64_wanted: bool = False
    is_error_code_wanted: bool = False
    ticket: str = ""
    caller: str = ""
    others: tuple[str, ...] = ()

    @property
    def is_from_collector(self) -> bool:
        """Whether the collector sent the request."""
        return bool(self.ticket)

    @property
    def is_error_coded(self) -> bool:
        """Whether the message of an error begins with its code; the collector makes a code of it again."""
        return self.is_error_code_wanted or self.is_from_collector

    @classmethod
    def of(cls, request: Any) -> Self:
        """Read the parameters of a request; unknown ones are passed over, since Triton adds some of its own."""
        given = read_parameters(request)
        return cls(
            is_base64_wanted=_is_true(given.get(Parameter.AUDIO_BASE64)),
            is_error_code_wanted=_is_true(given.get(Parameter.ERROR_CODE)),
            ticket=str(given.get(Parameter.TICKET, "")),
            caller=str(given.get(Parameter.CALLER, ""))[:LONGEST_CALLER],
            others=tuple(name for name in given if name not in KNOWN),
        )


def read_parameters(request: Any) -> dict[str, str | int | bool | float]:
    """Parameters of a request by name, as the caller gave them."""
    given: dict[str, str | int | bool | float] = json.loads(request.parameters() or "{}")
    return given


def read_tensors(request: Any) -> dict[str, Array]:
    """Input tensors of a request by name."""
    return {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}


def read_outputs(response: Any) -> dict[str, Array]:
    """Output tensors of a response of another model by name."""
    return {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}


def to_triton(tensors: Sequence[NamedArray]) -> list[Any]:
    """Make them ``pb_utils.Tensor``."""
    return [pb_utils.Tensor(tensor.name, tensor.values) for tensor in tensors]


def _is_true(value: str | int | bool | float | None) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in {"1", "true"}
    return bool(value)
