"""Client of the S1-mini text-to-speech server."""

from s1_client.audio import AudioChunk, Speech
from s1_client.client import AsyncS1Client
from s1_client.connection import Health
from s1_client.errors import (
    CutShortError,
    DeadlineError,
    EarlyEndError,
    EndpointError,
    ForkError,
    HttpError,
    OptionError,
    S1ClientError,
    ServerError,
    StallError,
    StreamError,
    StreamGapError,
    UnexpectedAnswerError,
    UnreachableError,
)
from s1_client.gateway_http import Gateway
from s1_client.job_records import (
    Batch,
    Job,
    JobFault,
    JobFormat,
    JobSound,
    JobStatus,
    JobText,
    TakenBatch,
    TakenJob,
    WebhookAttempt,
)
from s1_client.jobs import AsyncJobs
from s1_client.live_text import FLUSH
from s1_client.options import SpeechOptions
from s1_client.policy import Delivery, Pick, Retry, Tls, WhenFull
from s1_client.server_voices import AsyncVoices
from s1_client.servers import ServerState
from s1_client.stream import SpeechStream
from s1_client.sync_client import S1Client, SyncSpeechStream
from s1_client.sync_jobs import SyncJobs
from s1_client.sync_voices import SyncVoices
from s1_client.voices import NewRecording
from s1_protocol.errors import ErrorCode
from s1_protocol.names import ServiceClass
from s1_protocol.voice_record import RecordingRecord, VoiceRecord

__all__ = [
    "FLUSH",
    "AsyncJobs",
    "AsyncS1Client",
    "AsyncVoices",
    "AudioChunk",
    "Batch",
    "CutShortError",
    "DeadlineError",
    "Delivery",
    "EarlyEndError",
    "EndpointError",
    "ErrorCode",
    "ForkError",
    "Gateway",
    "Health",
    "HttpError",
    "Job",
    "JobFault",
    "JobFormat",
    "JobSound",
    "JobStatus",
    "JobText",
    "NewRecording",
    "OptionError",
    "Pick",
    "RecordingRecord",
    "Retry",
    "S1Client",
    "S1ClientError",
    "ServerError",
    "ServerState",
    "ServiceClass",
    "Speech",
    "SpeechOptions",
    "SpeechStream",
    "StallError",
    "StreamError",
    "StreamGapError",
    "SyncJobs",
    "SyncSpeechStream",
    "SyncVoices",
    "TakenBatch",
    "TakenJob",
    "Tls",
    "UnexpectedAnswerError",
    "UnreachableError",
    "VoiceRecord",
    "WebhookAttempt",
    "WhenFull",
]
