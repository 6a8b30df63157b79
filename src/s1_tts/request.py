"""A validated request for speech; every fault is found here, before it costs anything."""

import math
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from s1_tts.errors import InvalidArgumentError, NotFoundError
from s1_tts.protocol import SPEECH_INPUTS, Field, ServiceClass

MAX_TEXT_CHARACTERS = 10_000
MAX_SEED = 2**63 - 1

_DATA_TYPES = {spec.name: spec.dtype for spec in SPEECH_INPUTS}
_NUMPY_KINDS = {"STRING": "OS", "INT64": "iu", "INT32": "iu", "FP32": "f"}

Tensors = Mapping[str, npt.NDArray[Any]]
"""Tensors of one request by name; BYTES tensors are object arrays of ``bytes``."""


@dataclass(frozen=True)
class NumberRule:
    """Default and allowed range of a numeric option.

    Args:
        field: The option's tensor.
        default: Value when the request leaves it out.
        low: Smallest value.
        high: Largest value.
        is_low_allowed: False when the value must be over ``low``.
    """

    field: Field
    default: float
    low: float
    high: float
    is_low_allowed: bool = True

    @property
    def allowed(self) -> str:
        """The range in words."""
        return f"{self.low:g} to {self.high:g}" if self.is_low_allowed else f"over {self.low:g}, to {self.high:g}"

    def read(self, tensors: Tensors) -> float:
        """Value of the option in a request.

        Raises:
            InvalidArgumentError: out of range, NaN or not one value.
        """
        if self.field not in tensors:
            return self.default
        value = _only_element(tensors, self.field).item()
        is_in = self.low <= value <= self.high and (self.is_low_allowed or value != self.low)
        if math.isnan(value) or not is_in:
            raise InvalidArgumentError(self.field, f"got {value:g}", self.allowed)
        return float(value) if isinstance(value, float) else int(value)


TEMPERATURE = NumberRule(Field.TEMPERATURE, 0.8, 0.0, 2.0)
TOP_P = NumberRule(Field.TOP_P, 0.8, 0.0, 1.0, is_low_allowed=False)
REPETITION_PENALTY = NumberRule(Field.REPETITION_PENALTY, 1.1, 0.5, 2.0)
MAX_FRAMES = NumberRule(Field.MAX_FRAMES, 2048, 1, 4096)
CHUNK_FRAMES = NumberRule(Field.CHUNK_FRAMES, 0, 0, 256)
DEADLINE_MS = NumberRule(Field.DEADLINE_MS, 0, 0, 2**31 - 1)
NUMBER_RULES = (TEMPERATURE, TOP_P, REPETITION_PENALTY, MAX_FRAMES, CHUNK_FRAMES, DEADLINE_MS)


@dataclass(frozen=True)
class Sampling:
    """How the next code is drawn.

    Args:
        temperature: 0 takes the most likely code, up to 2.
        top_p: Nucleus mass, over 0 to 1; applied before the temperature, as fish-speech 0.1.0 does.
        repetition_penalty: 0.5 to 2; 1 is none. Looks at the last 16 frames, per codebook.
        seed: Seed of the request's own generator.
    """

    temperature: float = TEMPERATURE.default
    top_p: float = TOP_P.default
    repetition_penalty: float = REPETITION_PENALTY.default
    seed: int = 0


@dataclass(frozen=True, eq=False)
class VoicePrompt:
    """A recording the speech should sound like.

    Args:
        transcript: What is said in it.
        codes: Its codes ``[num_codebooks, frames]``, integer.
    """

    transcript: str
    codes: npt.NDArray[np.int32]


@dataclass(frozen=True)
class SpeechRequest:
    """What to say and how.

    Args:
        text: The caller's text, valid and with something to say.
        sampling: How codes are drawn.
        max_frames: Frames at most; 21.53 are a second.
        chunk_frames: Frames a chunk; 0 lets the server choose, small first, then growing.
        service: Class of the caller.
        deadline_ms: Time by which the first audio must be sent; 0: none.
        prompts: Recordings of the voice, in order.
    """

    text: str
    sampling: Sampling = field(default_factory=Sampling)
    max_frames: int = int(MAX_FRAMES.default)
    chunk_frames: int = int(CHUNK_FRAMES.default)
    service: ServiceClass = ServiceClass.NOTE
    deadline_ms: int = int(DEADLINE_MS.default)
    prompts: tuple[VoicePrompt, ...] = ()

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> "SpeechRequest":
        """Read and check the tensors of one request.

        Args:
            tensors: Input tensors by name, each ``[1, 1]``.

        Raises:
            InvalidArgumentError: a field is wrong; the message names it.
            NotFoundError: the voice does not exist.
        """
        text = _read_text(tensors)
        _refuse_voices(tensors)
        return cls(
            text=text,
            sampling=Sampling(
                temperature=TEMPERATURE.read(tensors),
                top_p=TOP_P.read(tensors),
                repetition_penalty=REPETITION_PENALTY.read(tensors),
                seed=_read_seed(tensors),
            ),
            max_frames=int(MAX_FRAMES.read(tensors)),
            chunk_frames=int(CHUNK_FRAMES.read(tensors)),
            service=_read_service(tensors),
            deadline_ms=int(DEADLINE_MS.read(tensors)),
        )


def read_string(tensors: Tensors, name: Field) -> str:
    """Text of a BYTES tensor of one element.

    Raises:
        InvalidArgumentError: not exactly one element, or not UTF-8.
    """
    data = _only_element(tensors, name)
    if not isinstance(data, bytes):
        raise InvalidArgumentError(name, f"got {type(data).__name__}", "UTF-8 text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(
            name, f"byte {error.start} of {len(data)} is not valid UTF-8", "UTF-8 text"
        ) from error


def _only_element(tensors: Tensors, name: Field) -> Any:
    tensor = tensors[name]
    if tensor.dtype.kind not in _NUMPY_KINDS[_DATA_TYPES[name]]:
        raise InvalidArgumentError(name, f"is a tensor of {tensor.dtype}", f"a tensor of {_DATA_TYPES[name]}")
    if tensor.size != 1:
        raise InvalidArgumentError(
            name, f"got {tensor.size} values in shape {list(tensor.shape)}", "one value a request, shape [1, 1]"
        )
    return tensor.reshape(-1)[0]


def _read_text(tensors: Tensors) -> str:
    allowed = f"UTF-8 text with something to say, at most {MAX_TEXT_CHARACTERS} characters"
    if Field.TEXT not in tensors:
        raise InvalidArgumentError(Field.TEXT, "is missing", allowed)
    text = read_string(tensors, Field.TEXT)
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidArgumentError(Field.TEXT, f"has {len(text)} characters", allowed)
    if not any(unicodedata.category(character)[0] in "LN" for character in text):
        fault = "has nothing to say (no letter or digit)" if text.strip() else "is empty"
        raise InvalidArgumentError(Field.TEXT, fault, allowed)
    return text


def _read_seed(tensors: Tensors) -> int:
    if Field.SEED not in tensors:
        return secrets.randbelow(MAX_SEED)
    seed = int(_only_element(tensors, Field.SEED))
    if seed < 0:
        raise InvalidArgumentError(Field.SEED, f"got {seed}", f"0 to {MAX_SEED}")
    return seed


def _read_service(tensors: Tensors) -> ServiceClass:
    if Field.SERVICE not in tensors:
        return ServiceClass.NOTE
    value = read_string(tensors, Field.SERVICE)
    try:
        return ServiceClass(value)
    except ValueError as error:
        raise InvalidArgumentError(Field.SERVICE, f"got {value!r}", " or ".join(ServiceClass)) from error


def _refuse_voices(tensors: Tensors) -> None:
    if Field.VOICE in tensors:
        raise NotFoundError(f"voice: no voice {read_string(tensors, Field.VOICE)!r}; this server has no voices")
    for name in (Field.REFERENCE_AUDIO, Field.REFERENCE_TEXT):
        if name in tensors:
            raise InvalidArgumentError(name, "voice cloning is not available yet", "leave it out")
