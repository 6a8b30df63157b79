"""Type and shape of every tensor that goes into or out of a model.

``config.pbtxt`` files repeat them because Triton wants static files; a unit test compares the two.
"""

from dataclasses import dataclass, replace

from s1_protocol import request_options
from s1_protocol.names import Field
from s1_protocol.option_kinds import Option, TextOption

MAX_BATCH_SIZE = 8
"""``max_batch_size`` of the served models; one text a request, so this bounds what the batcher gathers."""

VARIABLE = -1
"""A dimension that any size may fill."""


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

    @property
    def datatype(self) -> str:
        """The data type as messages name it."""
        return "BYTES" if self.dtype == "STRING" else self.dtype


def optional(spec: TensorSpec) -> TensorSpec:
    """The same tensor where it may be left out."""
    return replace(spec, is_optional=True)


def required(spec: TensorSpec) -> TensorSpec:
    """The same tensor where it must be there."""
    return replace(spec, is_optional=False)


def tensor_of(option: Option) -> TensorSpec:
    """The tensor of an option of a request."""
    dims = (VARIABLE,) if isinstance(option, TextOption) and option.is_list else (1,)
    return TensorSpec(option.field, option.dtype, dims, is_optional=True)


TEXT_INPUT = required(tensor_of(request_options.TEXT))
VOICE_OPTIONS = tuple(tensor_of(option) for option in request_options.VOICE_OPTIONS)
SPEECH_OPTIONS = tuple(tensor_of(option) for option in request_options.SOUND_OPTIONS)
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
"""What the codec and the collector send the language model to stop streams that have no listener; the collector sends
its tickets to the voices, too."""

DRAIN_INPUT = TensorSpec(Field.DRAIN, "STRING", is_optional=True)
"""What the one who started the server sends the language model before stopping it: the secret that only both know."""

SEAL = TensorSpec(Field.SEAL, "STRING")
"""What shows one model that another one of this server made the tensors beside it; strangers cannot make it."""

VOICE_KNOCK = TensorSpec(Field.VOICE_KNOCK, "STRING")
"""What ``s1_voice`` sends to itself by way of the ensemble, again and again while a voice takes long, to see whether
the caller is still there; and once more at the end, when the checked request is the answer to it."""

SPEECH_INPUTS = (optional(TEXT_INPUT), *OPTION_INPUTS)
"""Inputs of ``s1_mini`` and ``s1_mini_stream``. ``text`` is required all the same: Triton does not notice that it is
missing beside an option, and an ensemble then ends without a word, so our own check has to see it."""

LLAMA_INPUTS = (
    optional(TEXT_INPUT),
    *SPEECH_OPTIONS,
    *(optional(spec) for spec in PROMPT_TENSORS),
    *ABORT_INPUTS,
    DRAIN_INPUT,
    optional(SEAL),
)
"""``text`` is optional here only because aborts and drains have none."""

VOICE_INPUTS = (
    optional(TEXT_INPUT),
    *OPTION_INPUTS,
    TensorSpec(Field.OPERATION, "STRING", is_optional=True),
    TensorSpec(Field.METADATA, "STRING", is_optional=True),
    TensorSpec(Field.NEW_ID, "STRING", is_optional=True),
    optional(VOICE_KNOCK),
    TensorSpec(Field.ABORT_TICKETS, "STRING", (VARIABLE,), is_optional=True),
    optional(SEAL),
)
"""Inputs of ``s1_voice``: a request for speech, of which it answers with all that ``s1_llama`` wants; with an
``operation``, a look at the stored voices or a change of them; or its own knock, or an abort of the collector's."""

VOICE_OUTPUTS = (
    TEXT_INPUT,
    *(required(spec) for spec in SPEECH_OPTIONS),
    *PROMPT_TENSORS,
    SEAL,
    TensorSpec(Field.VOICES, "STRING"),
    VOICE_KNOCK,
)
"""Outputs of ``s1_voice``. ``voices`` comes only with an operation, and is its answer as JSON; the rest only without.
A caller that asks for ``voice_knock`` alone, as the ensemble does, gets it alone, and all else when it brings it back.
The checked request is passed on whole: a step after a decoupled one may not read an ensemble's inputs."""

CODES_TENSORS = (
    TensorSpec(Field.CODES, "INT32", (VARIABLE, VARIABLE)),
    TensorSpec(Field.STREAM_ID, "UINT64"),
    TensorSpec(Field.CHUNK_INDEX, "INT32"),
    TensorSpec(Field.IS_LAST, "BOOL"),
    TensorSpec(Field.SERVICE, "STRING"),
    TensorSpec(Field.IS_CUT, "BOOL"),
    TensorSpec(Field.STREAM_ERROR, "STRING"),
    SEAL,
)
"""Outputs of ``s1_llama``; ``codes`` is ``[num_codebooks, frames]``. ``stream_error`` comes only with a last chunk: the
stream ends with this error, which the codec is to tell the caller."""

_NOT_IN_EVERY_CHUNK = (Field.IS_CUT, Field.STREAM_ERROR, Field.SEAL)
CODEC_INPUTS = tuple(optional(spec) if spec.name in _NOT_IN_EVERY_CHUNK else spec for spec in CODES_TENSORS)
"""Inputs of ``s1_codec``: what ``s1_llama`` sends."""

AUDIO_OUTPUTS = (
    TensorSpec(Field.AUDIO, "INT16", (VARIABLE,)),
    TensorSpec(Field.SAMPLE_RATE, "INT32"),
    TensorSpec(Field.AUDIO_BASE64, "STRING"),
    TensorSpec(Field.IS_CUT, "BOOL"),
)
"""Outputs of ``s1_mini``."""

CHUNK_OUTPUTS = (
    *AUDIO_OUTPUTS,
    TensorSpec(Field.CHUNK_INDEX, "INT32"),
    TensorSpec(Field.IS_LAST, "BOOL"),
    TensorSpec(Field.STREAM_ERROR, "STRING"),
)
"""Outputs of ``s1_codec`` and ``s1_mini_stream``. ``stream_error`` is empty but for the collector, which reads there
why the stream ended; others get an error."""
