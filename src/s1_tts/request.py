"""A validated request for speech; every fault is found here, before it costs anything."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from s1_protocol.checks import check_text
from s1_protocol.errors import InvalidArgumentError, UnavailableError
from s1_protocol.limits import MAX_SEED
from s1_protocol.names import Field, ServiceClass
from s1_protocol.option_kinds import FloatOption, IntegerOption
from s1_protocol.request_options import (
    CHUNK_FRAMES,
    DEADLINE_MS,
    MAX_FRAMES,
    REPETITION_PENALTY,
    SEED,
    SERVICE,
    TEMPERATURE,
    TEXT,
    TOP_P,
)
from s1_protocol.tensors import LLAMA_INPUTS, VOICE_INPUTS

_DATA_TYPES = {spec.name: spec.dtype for spec in (*VOICE_INPUTS, *LLAMA_INPUTS)}
_NUMPY_KINDS = {"STRING": "OS", "INT64": "iu", "INT32": "iu", "FP32": "f"}

Tensors = Mapping[str, npt.NDArray[Any]]
"""Tensors of one request by name; BYTES tensors are object arrays of ``bytes``."""


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
class CodesFormat:
    """What codes a language model can read.

    Args:
        num_codebooks: Rows of a codes tensor.
        codebook_size: Codes are 0 to this, less one.
    """

    num_codebooks: int
    codebook_size: int


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
    max_frames: int = MAX_FRAMES.default
    chunk_frames: int = CHUNK_FRAMES.default
    service: ServiceClass = ServiceClass.NOTE
    deadline_ms: int = DEADLINE_MS.default
    prompts: tuple[VoicePrompt, ...] = ()

    @classmethod
    def from_tensors(cls, tensors: Tensors, codes_format: CodesFormat | None = None) -> "SpeechRequest":
        """Read and check the tensors of one request.

        Args:
            tensors: Input tensors by name, each ``[1, 1]`` but for the prompts.
            codes_format: Codes that prompts may have; without it, prompts are not looked at.

        Raises:
            InvalidArgumentError: a field is wrong; the message names it.
        """
        return cls(
            text=_read_text(tensors),
            sampling=Sampling(
                temperature=read_number(tensors, TEMPERATURE),
                top_p=read_number(tensors, TOP_P),
                repetition_penalty=read_number(tensors, REPETITION_PENALTY),
                seed=_read_seed(tensors),
            ),
            max_frames=int(read_number(tensors, MAX_FRAMES)),
            chunk_frames=int(read_number(tensors, CHUNK_FRAMES)),
            service=_read_service(tensors),
            deadline_ms=int(read_number(tensors, DEADLINE_MS)),
            prompts=_read_prompts(tensors, codes_format) if codes_format else (),
        )

    def with_voice(self, prompts: tuple[VoicePrompt, ...], waited_s: float) -> "SpeechRequest":
        """The request once its voice is there.

        Args:
            prompts: Recordings of the voice.
            waited_s: Time this took; it is taken off the deadline.

        Raises:
            UnavailableError: it took longer than the deadline allows.
        """
        deadline_ms = self.deadline_ms and math.ceil(self.deadline_ms - waited_s * 1000)
        if deadline_ms < 0 or (self.deadline_ms and not deadline_ms):
            raise UnavailableError(f"deadline_ms: {self.deadline_ms} has passed before the voice was there")
        return replace(self, prompts=prompts, deadline_ms=deadline_ms)

    def to_tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Write the request as the tensors that :meth:`from_tensors` reads, with nothing left out."""
        num_codebooks = self.prompts[0].codes.shape[0] if self.prompts else 0
        codes = [np.empty((num_codebooks, 0), dtype=np.int32), *(prompt.codes for prompt in self.prompts)]
        return {
            Field.TEXT: np.array([[self.text.encode()]], dtype=object),
            Field.SEED: np.array([[self.sampling.seed]], dtype=np.int64),
            Field.TEMPERATURE: np.array([[self.sampling.temperature]], dtype=np.float32),
            Field.TOP_P: np.array([[self.sampling.top_p]], dtype=np.float32),
            Field.REPETITION_PENALTY: np.array([[self.sampling.repetition_penalty]], dtype=np.float32),
            Field.MAX_FRAMES: np.array([[self.max_frames]], dtype=np.int32),
            Field.CHUNK_FRAMES: np.array([[self.chunk_frames]], dtype=np.int32),
            Field.SERVICE: np.array([[self.service.encode()]], dtype=object),
            Field.DEADLINE_MS: np.array([[self.deadline_ms]], dtype=np.int32),
            Field.PROMPT_CODES: np.concatenate(codes, axis=1)[None],
            Field.PROMPT_FRAMES: np.array([[prompt.codes.shape[1] for prompt in self.prompts]], dtype=np.int32),
            Field.PROMPT_TEXTS: np.array([[prompt.transcript.encode() for prompt in self.prompts]], dtype=object),
        }


def read_number(tensors: Tensors, option: FloatOption | IntegerOption) -> float:
    """Value of a numeric option, or its default.

    Raises:
        InvalidArgumentError: out of range, NaN or not one value.
    """
    if option.field not in tensors:
        return option.default
    value = _only_element(tensors, option.field).item()
    option.check(value)
    return float(value) if isinstance(value, float) else int(value)


def read_string(tensors: Tensors, name: Field) -> str:
    """Text of a BYTES tensor of one element.

    Raises:
        InvalidArgumentError: not exactly one element, or not UTF-8.
    """
    return _decode(name, _only_element(tensors, name))


def read_strings(tensors: Tensors, name: Field) -> list[str]:
    """Texts of a BYTES tensor.

    Raises:
        InvalidArgumentError: one of them is not UTF-8.
    """
    return [_decode(name, element) for element in read_elements(tensors, name)]


def read_elements(tensors: Tensors, name: Field) -> list[Any]:
    """Elements of a tensor of one request.

    Raises:
        InvalidArgumentError: the tensor is of the wrong type, or of more than one request.
    """
    tensor = tensors[name]
    _check_type(tensor, name)
    if tensor.ndim < 1 or tensor.shape[0] != 1:
        raise InvalidArgumentError(name, f"has shape {list(tensor.shape)}", "one text a request, shape [1, N]")
    return list(tensor.reshape(-1))


def _decode(name: Field, data: Any) -> str:
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
    _check_type(tensor, name)
    if tensor.size != 1:
        raise InvalidArgumentError(
            name, f"got {tensor.size} values in shape {list(tensor.shape)}", "one value a request, shape [1, 1]"
        )
    return tensor.reshape(-1)[0]


def _check_type(tensor: npt.NDArray[Any], name: Field) -> None:
    if tensor.dtype.kind not in _NUMPY_KINDS[_DATA_TYPES[name]]:
        raise InvalidArgumentError(name, f"is a tensor of {tensor.dtype}", f"a tensor of {_DATA_TYPES[name]}")


def _read_prompts(tensors: Tensors, codes_format: CodesFormat) -> tuple[VoicePrompt, ...]:
    names = (Field.PROMPT_CODES, Field.PROMPT_FRAMES, Field.PROMPT_TEXTS)
    missing = [name for name in names if name not in tensors]
    if len(missing) == len(names):
        return ()
    if missing:
        raise InvalidArgumentError(missing[0], "is missing", f"all of {', '.join(names)}, or none")
    frames = [int(count) for count in read_elements(tensors, Field.PROMPT_FRAMES)]
    texts = read_strings(tensors, Field.PROMPT_TEXTS)
    if len(texts) != len(frames):
        raise InvalidArgumentError(
            Field.PROMPT_TEXTS, f"has {len(texts)} values beside {len(frames)} of prompt_frames", "one for each"
        )
    if not frames:
        return ()
    if min(frames) < 1:
        raise InvalidArgumentError(Field.PROMPT_FRAMES, f"got {min(frames)}", "1 or more")
    codes = _read_codes(tensors[Field.PROMPT_CODES], sum(frames), codes_format)
    pieces = np.split(codes, np.cumsum(frames)[:-1], axis=1)
    return tuple(VoicePrompt(text, piece) for text, piece in zip(texts, pieces, strict=True))


def _read_codes(tensor: npt.NDArray[Any], num_frames: int, codes_format: CodesFormat) -> npt.NDArray[np.int32]:
    """Codes ``[num_codebooks, frames]`` of a tensor ``[1, num_codebooks, frames]``."""
    _check_type(tensor, Field.PROMPT_CODES)
    shape = (1, codes_format.num_codebooks, num_frames)
    if tensor.shape != shape:
        raise InvalidArgumentError(
            Field.PROMPT_CODES,
            f"has shape {list(tensor.shape)}",
            f"{list(shape)}: codebooks of this model, and the sum of prompt_frames",
        )
    if tensor.min() < 0 or tensor.max() >= codes_format.codebook_size:
        raise InvalidArgumentError(
            Field.PROMPT_CODES, f"holds {tensor.min()} to {tensor.max()}", f"0 to {codes_format.codebook_size - 1}"
        )
    return np.ascontiguousarray(tensor[0], dtype=np.int32)


def _read_text(tensors: Tensors) -> str:
    if Field.TEXT not in tensors:
        raise InvalidArgumentError(Field.TEXT, "is missing", TEXT.allowed)
    return check_text(read_string(tensors, Field.TEXT))


def _read_seed(tensors: Tensors) -> int:
    if Field.SEED not in tensors:
        return secrets.randbelow(MAX_SEED)
    seed = int(_only_element(tensors, Field.SEED))
    SEED.check(seed)
    return seed


def _read_service(tensors: Tensors) -> ServiceClass:
    if Field.SERVICE not in tensors:
        return ServiceClass.NOTE
    value = read_string(tensors, Field.SERVICE)
    SERVICE.check(value)
    return ServiceClass(value)
