"""Jobs of a gateway, as it shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from s1_client.errors import OptionError, UnexpectedAnswerError
from s1_client.options import SpeechOptions
from s1_protocol.option_kinds import Caller
from s1_protocol.request_options import VOICE, options_for

_OFFERED = frozenset(option.field.value for option in options_for(Caller.GATEWAY))


class JobStatus(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing changes any more."""
        return self not in (JobStatus.QUEUED, JobStatus.IN_PROGRESS)


class JobFormat(StrEnum):
    """Formats of a job's file."""

    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OPUS = "opus"


@dataclass(frozen=True, kw_only=True)
class JobSound:
    """How a job's file is to sound.

    Args:
        file_format: Of the file.
        sample_rate_hz: None: the format's own.
        speed: 2 is twice as fast; None: as spoken.
    """

    file_format: JobFormat | str = JobFormat.WAV
    sample_rate_hz: int | None = None
    speed: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Make the fields of a request."""
        named = {"sample_rate": self.sample_rate_hz, "speed": self.speed}
        return {"response_format": str(self.file_format), **_given(named)}


@dataclass(frozen=True)
class JobText:
    """A text of a batch.

    Args:
        text: What to say.
        options: Those of its own, over the batch's.
    """

    text: str
    options: SpeechOptions = field(default_factory=SpeechOptions)

    def to_json(self) -> dict[str, Any]:
        """Make the fields of a request.

        Raises:
            OptionError: an option is none of a job's.
        """
        return {"text": self.text, **options_to_json(self.options)}


@dataclass(frozen=True, kw_only=True)
class TakenJob:
    """A job that was taken.

    Args:
        id: Its id.
        estimated_s: What all waiting texts take at the measured rate; None: none was measured yet.
    """

    id: str
    estimated_s: float | None


@dataclass(frozen=True, kw_only=True)
class TakenBatch:
    """A batch that was taken.

    Args:
        id: Its id.
        job_ids: In the order of its texts.
        estimated_s: As of a job.
    """

    id: str
    job_ids: tuple[str, ...]
    estimated_s: float | None


@dataclass(frozen=True)
class JobFault:
    """Why a job failed.

    Args:
        code: Its kind, such as ``invalid_request``.
        message: In words.
    """

    code: str
    message: str


@dataclass(frozen=True)
class WebhookAttempt:
    """One try to tell a job's webhook.

    Args:
        at_s: Unix time.
        outcome: The status that came, or what went wrong.
    """

    at_s: float
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as it is now; times are Unix times.

    Args:
        id: Its id.
        status: How far it is.
        progress: 0 to 100.
        created_at_s: When it was taken.
        completed_at_s: When it ended.
        expires_at_s: When it is forgotten.
        audio_url: Where its sound is; None: there is none.
        duration_s: How long that is heard.
        error: Why it failed.
        attempts: How often it was tried.
        batch_id: What it was asked for with.
        webhook_attempts: Tries to tell its webhook.
    """

    id: str
    status: JobStatus
    progress: int
    created_at_s: float
    completed_at_s: float | None = None
    expires_at_s: float | None = None
    audio_url: str | None = None
    duration_s: float | None = None
    error: JobFault | None = None
    attempts: int = 0
    batch_id: str | None = None
    webhook_attempts: tuple[WebhookAttempt, ...] = ()

    @classmethod
    def from_json(cls, shown: Any) -> Self:
        """Read what a gateway shows.

        Raises:
            UnexpectedAnswerError: it is no job.
        """
        try:
            error, webhook = shown["error"], shown["webhook"]
            return cls(
                id=str(shown["id"]),
                status=JobStatus(shown["status"]),
                progress=int(shown["progress"]),
                created_at_s=float(shown["created_at"]),
                completed_at_s=shown["completed_at"],
                expires_at_s=shown["expires_at"],
                audio_url=shown["audio_url"],
                duration_s=shown["duration_seconds"],
                error=None if error is None else JobFault(str(error["code"]), str(error["message"])),
                attempts=int(shown["attempts"]),
                batch_id=shown["batch_id"],
                webhook_attempts=_attempts_of(webhook),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _no("job", shown) from error


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch as it is now.

    Args:
        id: Its id.
        is_over: Whether every job is over, well or not.
        num_of: Jobs by status.
        job_ids: In the order of its texts.
    """

    id: str
    is_over: bool
    num_of: Mapping[JobStatus, int]
    job_ids: tuple[str, ...]

    @classmethod
    def from_json(cls, shown: Any) -> Self:
        """Read what a gateway shows.

        Raises:
            UnexpectedAnswerError: it is no batch.
        """
        try:
            return cls(
                id=str(shown["id"]),
                is_over=shown["status"] == "completed",
                num_of={status: int(shown["job_counts"][status]) for status in JobStatus},
                job_ids=tuple(map(str, shown["job_ids"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _no("batch", shown) from error


def taken_job(made: Any) -> TakenJob:
    """Read the answer to a job.

    Raises:
        UnexpectedAnswerError: it is none.
    """
    try:
        return TakenJob(id=str(made["job_id"]), estimated_s=made["estimated_seconds"])
    except (KeyError, TypeError) as error:
        raise _no("job that was taken", made) from error


def taken_batch(made: Any) -> TakenBatch:
    """Read the answer to a batch.

    Raises:
        UnexpectedAnswerError: it is none.
    """
    try:
        job_ids = tuple(map(str, made["job_ids"]))
        return TakenBatch(id=str(made["batch_id"]), job_ids=job_ids, estimated_s=made["estimated_seconds"])
    except (KeyError, TypeError) as error:
        raise _no("batch that was taken", made) from error


def options_to_json(options: SpeechOptions) -> dict[str, Any]:
    """Make the fields of a request.

    Raises:
        OptionError: an option is none of a job's.
    """
    named = _given(vars(options))
    for name in named:
        if name not in _OFFERED or isinstance(named[name], bytes):
            raise OptionError(name, "jobs do not take it; a voice is stored first, and a job is always a note")
    voice = named.pop(VOICE.field.value, None)
    return named if voice is None else {"voice_id": voice, **named}


def _attempts_of(webhook: Any) -> tuple[WebhookAttempt, ...]:
    told = () if webhook is None else webhook["attempts"]
    return tuple(WebhookAttempt(float(each["at"]), str(each["outcome"])) for each in told)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _no(kind: str, shown: Any) -> UnexpectedAnswerError:
    return UnexpectedAnswerError("the gateway", f"what is no {kind}: {shown!r:.80}")
