"""Every name, type and shape that crosses the wire, in one place.

``config.pbtxt`` files repeat them because Triton wants static files; a unit test compares the two. The module
imports nothing heavy: clients and the light collector model use it too.
"""

from dataclasses import dataclass
from enum import StrEnum

SAMPLE_RATE_HZ = 44_100
"""Rate of every audio tensor, in samples per second."""

FRAME_SAMPLES = 2048
"""Samples that one frame of codes becomes."""

FRAMES_PER_SECOND = SAMPLE_RATE_HZ / FRAME_SAMPLES

MAX_BATCH_SIZE = 8
"""``max_batch_size`` of the served models; one text a request, so this bounds what the batcher gathers."""

VARIABLE = -1
"""A dimension that any size may fill."""


class ModelName(StrEnum):
    """Models of the repository."""

    ONE_ANSWER = "s1_mini"
    STREAM = "s1_mini_stream"
    LLAMA = "s1_llama"
    CODEC = "s1_codec"


class ServiceClass(StrEnum):
    """Who is asking: an agent on a call, or a voice note that may take seconds."""

    CALL = "call"
    NOTE = "note"


class Field(StrEnum):
    """Tensor names."""

    # in
    TEXT = "text"
    VOICE = "voice"
    REFERENCE_AUDIO = "reference_audio"
    REFERENCE_TEXT = "reference_text"
    SEED = "seed"
    TEMPERATURE = "temperature"
    TOP_P = "top_p"
    REPETITION_PENALTY = "repetition_penalty"
    MAX_FRAMES = "max_frames"
    CHUNK_FRAMES = "chunk_frames"
    SERVICE = "service"
    DEADLINE_MS = "deadline_ms"
    # out
    AUDIO = "audio"
    SAMPLE_RATE = "sample_rate"
    CHUNK_INDEX = "chunk_index"
    IS_LAST = "is_last"
    AUDIO_BASE64 = "audio_base64"
    # between the models
    CODES = "codes"
    STREAM_ID = "stream_id"
    ABORT_STREAM_IDS = "abort_stream_ids"
    ABORT_TICKETS = "abort_tickets"
    ABORT_REASON = "abort_reason"


class Parameter(StrEnum):
    """Request parameters (KServe v2 ``parameters`` of a request)."""

    AUDIO_BASE64 = "audio_base64"
    """Caller's: true fills the ``audio_base64`` output."""

    TICKET = "s1_ticket"
    """The collector's own key of a request, by which it can abort the stream it started."""


@dataclass(frozen=True)
class TensorSpec:
    """A tensor as ``config.pbtxt`` declares it.

    Args:
        name: Tensor name.
        dtype: Triton data type without the ``TYPE_`` prefix; ``STRING`` is ``BYTES`` on the wire.
        dims: Shape without the batch dimension.
        is_optional: Whether a request may leave it out.
    """

    name: Field
    dtype: str
    dims: tuple[int, ...] = (1,)
    is_optional: bool = False


TEXT_INPUT = TensorSpec(Field.TEXT, "STRING")

OPTION_INPUTS = (
    TensorSpec(Field.VOICE, "STRING", is_optional=True),
    TensorSpec(Field.REFERENCE_AUDIO, "STRING", is_optional=True),
    TensorSpec(Field.REFERENCE_TEXT, "STRING", is_optional=True),
    TensorSpec(Field.SEED, "INT64", is_optional=True),
    TensorSpec(Field.TEMPERATURE, "FP32", is_optional=True),
    TensorSpec(Field.TOP_P, "FP32", is_optional=True),
    TensorSpec(Field.REPETITION_PENALTY, "FP32", is_optional=True),
    TensorSpec(Field.MAX_FRAMES, "INT32", is_optional=True),
    TensorSpec(Field.CHUNK_FRAMES, "INT32", is_optional=True),
    TensorSpec(Field.SERVICE, "STRING", is_optional=True),
    TensorSpec(Field.DEADLINE_MS, "INT32", is_optional=True),
)

ABORT_INPUTS = (
    TensorSpec(Field.ABORT_STREAM_IDS, "UINT64", (VARIABLE,), is_optional=True),
    TensorSpec(Field.ABORT_TICKETS, "STRING", (VARIABLE,), is_optional=True),
    TensorSpec(Field.ABORT_REASON, "STRING", is_optional=True),
)
"""What the codec and the collector send the language model to stop streams that nobody hears any more."""

SPEECH_INPUTS = (TEXT_INPUT, *OPTION_INPUTS)
"""Inputs of ``s1_mini`` and ``s1_mini_stream``."""

LLAMA_INPUTS = (TensorSpec(Field.TEXT, "STRING", is_optional=True), *OPTION_INPUTS, *ABORT_INPUTS)
"""``text`` is optional here only because an abort has none."""

CODES_TENSORS = (
    TensorSpec(Field.CODES, "INT32", (VARIABLE, VARIABLE)),
    TensorSpec(Field.STREAM_ID, "UINT64"),
    TensorSpec(Field.CHUNK_INDEX, "INT32"),
    TensorSpec(Field.IS_LAST, "BOOL"),
    TensorSpec(Field.SERVICE, "STRING"),
)
"""Outputs of ``s1_llama`` and inputs of ``s1_codec``; ``codes`` is ``[num_codebooks, frames]``."""

AUDIO_OUTPUTS = (
    TensorSpec(Field.AUDIO, "INT16", (VARIABLE,)),
    TensorSpec(Field.SAMPLE_RATE, "INT32"),
    TensorSpec(Field.AUDIO_BASE64, "STRING"),
)
"""Outputs of ``s1_mini``."""

CHUNK_OUTPUTS = (
    *AUDIO_OUTPUTS,
    TensorSpec(Field.CHUNK_INDEX, "INT32"),
    TensorSpec(Field.IS_LAST, "BOOL"),
)
"""Outputs of ``s1_codec`` and ``s1_mini_stream``."""
