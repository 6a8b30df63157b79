"""Client of the S1-mini text-to-speech server."""

from s1_client.audio import AudioChunk, Speech
from s1_client.client import AsyncS1Client, Health
from s1_client.errors import (
    EarlyEndError,
    OptionError,
    S1ClientError,
    ServerError,
    StreamError,
    StreamGapError,
    UnexpectedAnswerError,
    UnreachableError,
)
from s1_client.options import SpeechOptions
from s1_client.stream import SpeechStream
from s1_tts.errors import ErrorCode
from s1_tts.protocol import ServiceClass

__all__ = [
    "AsyncS1Client",
    "AudioChunk",
    "EarlyEndError",
    "ErrorCode",
    "Health",
    "OptionError",
    "S1ClientError",
    "ServerError",
    "ServiceClass",
    "Speech",
    "SpeechOptions",
    "SpeechStream",
    "StreamError",
    "StreamGapError",
    "UnexpectedAnswerError",
    "UnreachableError",
]
