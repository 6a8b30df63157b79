"""What a caller may ask for, and how it goes into tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient.grpc.aio import InferInput
from tritonclient.utils import triton_to_np_dtype

from s1_client.errors import OptionError
from s1_protocol.names import ServiceClass
from s1_protocol.tensors import OPTION_INPUTS, TEXT_INPUT, VARIABLE, TensorSpec


@dataclass(frozen=True, kw_only=True)
class SpeechOptions:
    """Options of one request. None leaves an option out, and the server's default holds.

    What each does, its default and its range: :data:`~s1_protocol.request_options.OPTIONS`, and ``docs/api.md``.
    The server checks the ranges; its message names the option and what is allowed. A voice known by several recordings
    is a list of them and one of their transcripts, in the same order.
    """

    voice: str | None = None
    reference_audio: bytes | Sequence[bytes] | None = None
    reference_text: str | Sequence[str] | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    max_frames: int | None = None
    chunk_frames: int | None = None
    service: ServiceClass | None = None
    deadline_ms: int | None = None
    normalize: bool | None = None


def make_inputs(text: str, options: SpeechOptions) -> list[InferInput]:
    """Put a text and its options into request tensors.

    Raises:
        OptionError: a value does not fit its tensor.
    """
    return [
        InferInput(spec.name.value, list(tensor.shape), spec.datatype).set_data_from_numpy(tensor)
        for spec, tensor in make_tensors(text, options)
    ]


def make_tensors(text: str, options: SpeechOptions) -> list[tuple[TensorSpec, npt.NDArray[Any]]]:
    """Put a text and its options into arrays ``[1, 1]``, several recordings into ``[1, N]``.

    Raises:
        OptionError: a value does not fit its tensor.
    """
    given = [(spec, getattr(options, spec.name)) for spec in OPTION_INPUTS]
    return [(spec, _make_tensor(spec, value)) for spec, value in [(TEXT_INPUT, text), *given] if value is not None]


def _make_tensor(spec: TensorSpec, value: str | bytes | float | Sequence[str | bytes]) -> npt.NDArray[Any]:
    datatype = spec.datatype
    if spec.dtype == "BOOL" and not isinstance(value, bool):  # numpy would take any text for true
        raise OptionError(spec.name, f"{value!r} does not fit {datatype}: True or False")
    dtype = np.dtype(triton_to_np_dtype(datatype))
    try:
        given = value if spec.dims == (VARIABLE,) and isinstance(value, list | tuple) else [value]
        elements = [_element(each) for each in given]
        if dtype.kind == "i" and not np.iinfo(dtype).min <= int(elements[0]) <= np.iinfo(dtype).max:
            raise OverflowError(f"{np.iinfo(dtype).min} to {np.iinfo(dtype).max}")  # numpy 1 would wrap it around
        return np.array([elements], dtype=dtype)
    except (OverflowError, ValueError) as error:
        raise OptionError(spec.name, f"{value!r} does not fit {datatype}: {error}") from error


def _element(value: Any) -> Any:
    # bytes of a command line that are not UTF-8 go on as they are: the server says where they are wrong
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
