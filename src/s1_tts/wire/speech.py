"""A task for the language model as tensors: read and checked at the door, written whole for the next model."""

from dataclasses import fields

import numpy as np
import numpy.typing as npt

from s1_protocol.checks import check_text
from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_protocol.option_kinds import Option
from s1_protocol.request_options import SOUND_OPTIONS, TEXT
from s1_tts.speech_task import CodesFormat, Sampling, SpeechTask, VoicePrompt
from s1_tts.wire.arrays import Array, NamedArray, Tensors, bytes_row, scalar
from s1_tts.wire.fields import (
    check_type,
    read_elements,
    read_option,
    read_string,
    read_strings,
)

_NUMPY_TYPES = {"STRING": "object", "INT64": "int64", "INT32": "int32", "FP32": "float32", "BOOL": "bool"}


def read_speech(tensors: Tensors, codes_format: CodesFormat | None = None) -> SpeechTask:
    """Read and check the tensors of one request.

    Args:
        tensors: Input tensors by name, each ``[1, 1]`` but for the prompts.
        codes_format: Codes that prompts may have; without it, prompts are not looked at.

    Raises:
        InvalidArgumentError: a field is wrong; the message names it.
    """
    text = _read_text(tensors)
    values = {option.field.value: read_option(tensors, option) for option in SOUND_OPTIONS}
    sampling = Sampling(**{each.name: values.pop(each.name) for each in fields(Sampling)})
    prompts = _read_prompts(tensors, codes_format) if codes_format else ()
    return SpeechTask(text=text, sampling=sampling, prompts=prompts, **values)


def write_speech(task: SpeechTask) -> list[NamedArray]:
    """Write the tensors that :func:`read_speech` reads, with nothing left out."""
    num_codebooks = task.prompts[0].codes.shape[0] if task.prompts else 0
    codes = [np.empty((num_codebooks, 0), dtype=np.int32), *(prompt.codes for prompt in task.prompts)]
    frames = [prompt.codes.shape[1] for prompt in task.prompts]
    values = {**vars(task), **vars(task.sampling)}
    return [
        scalar(Field.TEXT, task.text.encode(), "object"),
        *(_write_option(option, values[option.field.value]) for option in SOUND_OPTIONS),
        NamedArray(Field.PROMPT_CODES, np.concatenate(codes, axis=1)[None]),
        NamedArray(Field.PROMPT_FRAMES, np.array([frames], dtype=np.int32)),
        bytes_row(Field.PROMPT_TEXTS, [prompt.transcript.encode() for prompt in task.prompts]),
    ]


def _write_option(option: Option, value: float | bool | str) -> NamedArray:
    return scalar(option.field, value.encode() if isinstance(value, str) else value, _NUMPY_TYPES[option.dtype])


def _read_text(tensors: Tensors) -> str:
    if Field.TEXT not in tensors:
        raise InvalidArgumentError(Field.TEXT, "is missing", TEXT.allowed)
    return check_text(read_string(tensors, Field.TEXT))


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


def _read_codes(tensor: Array, num_frames: int, codes_format: CodesFormat) -> npt.NDArray[np.int32]:
    """Codes ``[num_codebooks, frames]`` of a tensor ``[1, num_codebooks, frames]``."""
    check_type(tensor, Field.PROMPT_CODES)
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
