"""Every name that crosses the wire: models, tensors, parameters, and the words that some of them take."""

from enum import StrEnum


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
    CHANGE = "change"
    """Its id, transcripts and metadata; the recordings and their codes stay."""


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
    NORMALIZE = "normalize"
    # out
    AUDIO = "audio"
    SAMPLE_RATE = "sample_rate"
    CHUNK_INDEX = "chunk_index"
    IS_LAST = "is_last"
    IS_CUT = "is_cut"
    AUDIO_BASE64 = "audio_base64"
    # managing voices
    OPERATION = "operation"
    METADATA = "metadata"
    NEW_ID = "new_id"
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
    DRAIN = "drain"
    VOICE_KNOCK = "voice_knock"
    SEAL = "seal"


class Parameter(StrEnum):
    """Request parameters (KServe v2 ``parameters`` of a request)."""

    AUDIO_BASE64 = "audio_base64"
    """Caller's: true fills the ``audio_base64`` output."""

    ERROR_CODE = "error_code"
    """Caller's: true puts the code before the message of an error, since a stream loses it."""

    CALLER = "s1-caller"
    """Who asks, for a fair share of queue and slots. The gateway sends it as a header, which Triton hands on."""

    TICKET = "s1_ticket"
    """The collector's own key of a request, by which it can abort the stream it started."""
