"""Every name, type and shape that crosses the wire, in one place.

``config.pbtxt`` files repeat them because Triton wants static files; a unit test compares the two. The module
imports nothing heavy: clients and the light collector model use it too.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

SAMPLE_RATE_HZ = 44_100
"""Rate of every audio tensor, in samples per second."""

FRAME_SAMPLES = 2048
"""Samples that one frame of codes becomes."""

FRAMES_PER_SECOND = SAMPLE_RATE_HZ / FRAME_SAMPLES

MAX_BATCH_SIZE = 8
"""``max_batch_size`` of the served models; one text a request, so this bounds what the batcher gathers."""

SAGEMAKER_BINARY_TYPE = "application/vnd.sagemaker-triton.binary+json;json-header-size="
"""Content type of a body that begins with JSON and goes on with raw tensors; the size of the JSON follows."""

VARIABLE = -1
"""A dimension that any size may fill."""


class ModelName(StrEnum):
    """Models of the repository."""

    ONE_ANSWER = "s1_mini"
    STREAM = "s1_mini_stream"
    VOICE = "s1_voice"
    LLAMA = "s1_llama"
    CODEC = "s1_codec"


class ServiceClass(StrEnum):
    """Who is asking: an agent on a call, or a voice note that may take seconds."""

    CALL = "call"
    NOTE = "note"


class VoiceOperation(StrEnum):
    """What ``s1_voice`` is asked to do with the stored voices instead of speaking."""

    LIST = "list"
    SHOW = "show"
    ADD = "add"
    REMOVE = "remove"


class InfoLabel(StrEnum):
    """Labels of the metric ``s1_server_info``."""

    VERSION = "version"
    """Of the package ``s1-tts``."""

    CHECKPOINT = "checkpoint"
    """Name of its folder."""

    DEVELOPMENT = "development"
    """``true`` for a development checkpoint, which makes noise; else ``false``."""

    DEVICE = "device"
    DTYPE = "dtype"
    SLOTS = "slots"


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
    # managing voices
    OPERATION = "operation"
    METADATA = "metadata"
    VOICES = "voices"
    # between the models
    PROMPT_CODES = "prompt_codes"
    PROMPT_FRAMES = "prompt_frames"
    PROMPT_TEXTS = "prompt_texts"
    CODES = "codes"
    STREAM_ID = "stream_id"
    STREAM_ERROR = "stream_error"
    ABORT_STREAM_IDS = "abort_stream_ids"
    ABORT_TICKETS = "abort_tickets"
    ABORT_REASON = "abort_reason"


class Parameter(StrEnum):
    """Request parameters (KServe v2 ``parameters`` of a request)."""

    AUDIO_BASE64 = "audio_base64"
    """Caller's: true fills the ``audio_base64`` output."""

    ERROR_CODE = "error_code"
    """Caller's: true puts the code before the message of an error, since a stream loses it."""

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


def optional(spec: TensorSpec) -> TensorSpec:
    """The same tensor where it may be left out."""
    return replace(spec, is_optional=True)


def required(spec: TensorSpec) -> TensorSpec:
    """The same tensor where it must be there."""
    return replace(spec, is_optional=False)


TEXT_INPUT = TensorSpec(Field.TEXT, "STRING")

VOICE_OPTIONS = (
    TensorSpec(Field.VOICE, "STRING", is_optional=True),
    TensorSpec(Field.REFERENCE_AUDIO, "STRING", is_optional=True),
    TensorSpec(Field.REFERENCE_TEXT, "STRING", is_optional=True),
)

SPEECH_OPTIONS = (
    TensorSpec(Field.SEED, "INT64", is_optional=True),
    TensorSpec(Field.TEMPERATURE, "FP32", is_optional=True),
    TensorSpec(Field.TOP_P, "FP32", is_optional=True),
    TensorSpec(Field.REPETITION_PENALTY, "FP32", is_optional=True),
    TensorSpec(Field.MAX_FRAMES, "INT32", is_optional=True),
    TensorSpec(Field.CHUNK_FRAMES, "INT32", is_optional=True),
    TensorSpec(Field.SERVICE, "STRING", is_optional=True),
    TensorSpec(Field.DEADLINE_MS, "INT32", is_optional=True),
)

OPTION_INPUTS = (*VOICE_OPTIONS, *SPEECH_OPTIONS)

PROMPT_TENSORS = (
    TensorSpec(Field.PROMPT_CODES, "INT32", (VARIABLE, VARIABLE)),
    TensorSpec(Field.PROMPT_FRAMES, "INT32", (VARIABLE,)),
    TensorSpec(Field.PROMPT_TEXTS, "STRING", (VARIABLE,)),
)
"""The recordings of a voice: the codes of all of them, ``[num_codebooks, frames in all]``, how many of the frames are
each one's, and what is said in each; all three are empty without a voice."""

ABORT_INPUTS = (
    TensorSpec(Field.ABORT_STREAM_IDS, "UINT64", (VARIABLE,), is_optional=True),
    TensorSpec(Field.ABORT_TICKETS, "STRING", (VARIABLE,), is_optional=True),
    TensorSpec(Field.ABORT_REASON, "STRING", is_optional=True),
)
"""What the codec and the collector send the language model to stop streams that nobody hears any more."""

SPEECH_INPUTS = (optional(TEXT_INPUT), *OPTION_INPUTS)
"""Inputs of ``s1_mini`` and ``s1_mini_stream``. ``text`` is required all the same: Triton does not notice that it is
missing beside an option, and an ensemble then ends without a word, so our own check has to see it."""

LLAMA_INPUTS = (
    optional(TEXT_INPUT),
    *SPEECH_OPTIONS,
    *(optional(spec) for spec in PROMPT_TENSORS),
    *ABORT_INPUTS,
)
"""``text`` is optional here only because an abort has none."""

VOICE_INPUTS = (
    optional(TEXT_INPUT),
    TensorSpec(Field.VOICE, "STRING", is_optional=True),
    TensorSpec(Field.REFERENCE_AUDIO, "STRING", (VARIABLE,), is_optional=True),
    TensorSpec(Field.REFERENCE_TEXT, "STRING", (VARIABLE,), is_optional=True),
    *SPEECH_OPTIONS,
    TensorSpec(Field.OPERATION, "STRING", is_optional=True),
    TensorSpec(Field.METADATA, "STRING", is_optional=True),
)
"""Inputs of ``s1_voice``: a request for speech, of which it answers with all that ``s1_llama`` wants; or, with an
``operation``, a look at the stored voices or a change of them."""

VOICE_OUTPUTS = (
    TEXT_INPUT,
    *(required(spec) for spec in SPEECH_OPTIONS),
    *PROMPT_TENSORS,
    TensorSpec(Field.VOICES, "STRING"),
)
"""Outputs of ``s1_voice``. ``voices`` comes only with an operation, and is its answer as JSON; the rest only without.
The checked request is passed on whole: a step after a decoupled one may not read an ensemble's inputs."""

CODES_TENSORS = (
    TensorSpec(Field.CODES, "INT32", (VARIABLE, VARIABLE)),
    TensorSpec(Field.STREAM_ID, "UINT64"),
    TensorSpec(Field.CHUNK_INDEX, "INT32"),
    TensorSpec(Field.IS_LAST, "BOOL"),
    TensorSpec(Field.SERVICE, "STRING"),
    TensorSpec(Field.STREAM_ERROR, "STRING"),
)
"""Outputs of ``s1_llama``; ``codes`` is ``[num_codebooks, frames]``. ``stream_error`` comes only with a last chunk: the
stream ends with this error, which the codec is to tell the caller."""

CODEC_INPUTS = tuple(optional(spec) if spec.name is Field.STREAM_ERROR else spec for spec in CODES_TENSORS)
"""Inputs of ``s1_codec``: what ``s1_llama`` sends."""

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
