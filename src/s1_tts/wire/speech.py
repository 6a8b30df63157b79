"""A task for the language model as tensors: read and checked at the door, written whole for the next model."""

import secrets

import numpy as np
import numpy.typing as npt

from s1_protocol.checks import check_text
from s1_protocol.errors import InvalidArgumentError
from s1_protocol.limits import MAX_SEED
from s1_protocol.names import Field
from s1_protocol.request_options import (
    CHUNK_FRAMES,
    DEADLINE_MS,
    MAX_FRAMES,
    REPETITION_PENALTY,
    SEED,
    TEMPERATURE,
    TEXT,
    TOP_P,
)
from s1_tts.speech_task import CodesFormat, Sampling, SpeechTask, VoicePrompt
from s1_tts.wire.arrays import Array, NamedArray, Tensors, bytes_row, scalar
from s1_tts.wire.fields import (
    check_type,
    read_element,
    read_elements,
    read_number,
    read_service,
    read_string,
    read_strings,
)


def read_speech(tensors: Tensors, codes_format: CodesFormat | None = None) -> SpeechTask:
    """Read and check the tensors of one request.

    Args:
        tensors: Input tensors by name, each ``[1, 1]`` but for the prompts.
        codes_format: Codes that prompts may have; without it, prompts are not looked at.

    Raises:
        InvalidArgumentError: a field is wrong; the message names it.
    """
    return SpeechTask(
        text=_read_text(tensors),
        sampling=Sampling(
            temperature=read_number(tensors, TEMPERATURE),
            top_p=read_number(tensors, TOP_P),
            repetition_penalty=read_number(tensors, REPETITION_PENALTY),
            seed=_read_seed(tensors),
        ),
        max_frames=int(read_number(tensors, MAX_FRAMES)),
        chunk_frames=int(read_number(tensors, CHUNK_FRAMES)),
        service=read_service(tensors),
        deadline_ms=int(read_number(tensors, DEADLINE_MS)),
        prompts=_read_prompts(tensors, codes_format) if codes_format else (),
    )


def write_speech(task: SpeechTask) -> list[NamedArray]:
    """Write the tensors that :func:`read_speech` reads, with nothing left out."""
    num_codebooks = task.prompts[0].codes.shape[0] if task.prompts else 0
    codes = [np.empty((num_codebooks, 0), dtype=np.int32), *(prompt.codes for prompt in task.prompts)]
    frames = [prompt.codes.shape[1] for prompt in task.prompts]
    return [
        scalar(Field.TEXT, task.text.encode(), "object"),
        scalar(Field.SEED, task.sampling.seed, "int64"),
        scalar(Field.TEMPERATURE, task.sampling.temperature, "float32"),
        scalar(Field.TOP_P, task.sampling.top_p, "float32"),
        scalar(Field.REPETITION_PENALTY, task.sampling.repetition_penalty, "float32"),
        scalar(Field.MAX_FRAMES, task.max_frames, "int32"),
        scalar(Field.CHUNK_FRAMES, task.chunk_frames, "int32"),
        scalar(Field.SERVICE, task.service.encode(), "object"),
        scalar(Field.DEADLINE_MS, task.deadline_ms, "int32"),
        NamedArray(Field.PROMPT_CODES, np.concatenate(codes, axis=1)[None]),
        NamedArray(Field.PROMPT_FRAMES, np.array([frames], dtype=np.int32)),
        bytes_row(Field.PROMPT_TEXTS, [prompt.transcript.encode() for prompt in task.prompts]),
    ]


def _read_text(tensors: Tensors) -> str:
    if Field.TEXT not in tensors:
        raise InvalidArgumentError(Field.TEXT, "is missing", TEXT.allowed)
    return check_text(read_string(tensors, Field.TEXT))


def _read_seed(tensors: Tensors) -> int:
    if Field.SEED not in tensors:
        return secrets.randbelow(MAX_SEED)
    seed = int(read_element(tensors, Field.SEED))
    SEED.check(seed)
    return seed


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
