"""Single fields of a request: of the right type and shape, in range, or an error that names the field."""

import secrets
from enum import StrEnum
from typing import Any

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field, ServiceClass
from s1_protocol.option_kinds import (
    ChoiceOption,
    FlagOption,
    FloatOption,
    IntegerOption,
    Option,
    SeedOption,
)
from s1_protocol.request_options import SERVICE
from s1_protocol.tensors import CODEC_INPUTS, LLAMA_INPUTS, VOICE_INPUTS
from s1_tts.wire.arrays import Array, Tensors

_DATA_TYPES = {spec.name: spec.dtype for spec in (*VOICE_INPUTS, *LLAMA_INPUTS, *CODEC_INPUTS)}
_NUMPY_KINDS = {"STRING": "OS", "INT64": "iu", "INT32": "iu", "UINT64": "u", "FP32": "f", "BOOL": "b"}


def read_number(tensors: Tensors, option: FloatOption | IntegerOption) -> float:
    """Value of a numeric option, or its default.

    Raises:
        InvalidArgumentError: out of range, NaN or not one value.
    """
    if option.field not in tensors:
        return option.default
    value = read_element(tensors, option.field).item()
    option.check(value)
    return float(value) if isinstance(value, float) else int(value)


def read_option(tensors: Tensors, option: Option) -> Any:
    """Value of an option of a request, or what holds where it is left out.

    Raises:
        InvalidArgumentError: not one value, of another type or out of range.
    """
    match option:
        case FloatOption() | IntegerOption():
            return read_number(tensors, option)
        case SeedOption():
            return read_seed(tensors, option)
        case ChoiceOption():
            return read_choice(tensors, option)
        case FlagOption():
            return bool(read_element(tensors, option.field)) if option.field in tensors else option.default
        case _:
            raise TypeError(f"{option.field} is none of the options that go to the language model")


def read_seed(tensors: Tensors, option: SeedOption) -> int:
    """A seed, or one that is drawn.

    Raises:
        InvalidArgumentError: it is out of range or not one value.
    """
    if option.field not in tensors:
        return secrets.randbelow(int(option.high))
    seed = int(read_element(tensors, option.field))
    option.check(seed)
    return seed


def read_choice(tensors: Tensors, option: ChoiceOption) -> StrEnum:
    """One of the words of an option, or the one that holds where it is left out.

    Raises:
        InvalidArgumentError: it is none of them.
    """
    if option.field not in tensors:
        return option.default
    value = read_string(tensors, option.field)
    option.check(value)
    return option.choices(value)


def read_service(tensors: Tensors) -> ServiceClass:
    """Class of the caller, or the one that holds where it is left out.

    Raises:
        InvalidArgumentError: there is no such class.
    """
    return ServiceClass(read_choice(tensors, SERVICE))


def read_string(tensors: Tensors, name: Field) -> str:
    """Text of a BYTES tensor of one element.

    Raises:
        InvalidArgumentError: not exactly one element, or not UTF-8.
    """
    return _decode(name, read_element(tensors, name))


def read_strings(tensors: Tensors, name: Field) -> list[str]:
    """Texts of a BYTES tensor.

    Raises:
        InvalidArgumentError: one of them is not UTF-8.
    """
    return [_decode(name, element) for element in read_elements(tensors, name)]


def read_element(tensors: Tensors, name: Field) -> Any:
    """The element of a tensor that has one.

    Raises:
        InvalidArgumentError: the tensor is of the wrong type, or has more or fewer.
    """
    tensor = tensors[name]
    check_type(tensor, name)
    if tensor.size != 1:
        raise InvalidArgumentError(
            name, f"got {tensor.size} values in shape {list(tensor.shape)}", "one value a request, shape [1, 1]"
        )
    return tensor.reshape(-1)[0]


def read_elements(tensors: Tensors, name: Field) -> list[Any]:
    """Elements of a tensor of one request.

    Raises:
        InvalidArgumentError: the tensor is of the wrong type, or of more than one request.
    """
    tensor = tensors[name]
    check_type(tensor, name)
    if tensor.ndim < 1 or tensor.shape[0] != 1:
        raise InvalidArgumentError(name, f"has shape {list(tensor.shape)}", "one text a request, shape [1, N]")
    return list(tensor.reshape(-1))


def check_type(tensor: Array, name: Field) -> None:
    """Refuse a tensor of another type than the field's.

    Raises:
        InvalidArgumentError: it is.
    """
    if tensor.dtype.kind not in _NUMPY_KINDS[_DATA_TYPES[name]]:
        raise InvalidArgumentError(name, f"is a tensor of {tensor.dtype}", f"a tensor of {_DATA_TYPES[name]}")


def _decode(name: Field, data: Any) -> str:
    if not isinstance(data, bytes):
        raise InvalidArgumentError(name, f"got {type(data).__name__}", "UTF-8 text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(
            name, f"byte {error.start} of {len(data)} is not valid UTF-8", "UTF-8 text"
        ) from error
