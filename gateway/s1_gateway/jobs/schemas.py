"""Bodies and answers of jobs."""

from typing import Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from s1_client.job_records import JobStatus
from s1_gateway.jobs.listing import MOST_LISTED
from s1_gateway.jobs.records import Job
from s1_gateway.jobs.spec import JobFormat
from s1_gateway.model_options import ModelOptions
from s1_protocol.limits import MAX_TEXT_CHARACTERS


class Said(ModelOptions):
    """How a text is to be said; None leaves it to the batch's default or the format's."""

    model_config = ConfigDict(extra="ignore")

    voice_id: str | None = Field(
        default=None, validation_alias=AliasChoices("voice_id", "voice"), description="a voice's name; also `voice`"
    )
    response_format: JobFormat | None = Field(
        default=None,
        validation_alias=AliasChoices("response_format", "format"),
        description="wav if nothing is said; also `format`",
    )
    sample_rate: int | None = None
    speed: float | None = Field(default=None, ge=0.25, le=4, allow_inf_nan=False)


class Item(Said):
    """A text of a batch."""

    text: str = Field(
        validation_alias=AliasChoices("text", "input"),
        description="what to say; also `input`",
        json_schema_extra={"minLength": 1, "maxLength": MAX_TEXT_CHARACTERS, "pattern": r"\S"},
    )


class JobBody(Item):
    """Body of ``POST /v1/audio/speech/async``."""

    webhook_url: str | None = Field(default=None, max_length=2000, description="address that is told of the job's end")


class BatchBody(Said):
    """Body of ``POST /v1/audio/speech/batch``: texts, and what holds for all that do not say otherwise."""

    items: list[Item] = Field(min_length=1)
    webhook_url: str | None = Field(default=None, max_length=2000, description="address that is told of each job's end")

    @model_validator(mode="before")
    @classmethod
    def _wrap(cls, value: object) -> object:
        return {"items": value} if isinstance(value, list) else value

    def filled(self) -> list[Item]:
        """The items, each with the defaults that it does not name itself."""
        defaults = self.model_dump(exclude={"items", "webhook_url"}, exclude_none=True)
        return [Item.model_validate(defaults | item.model_dump(exclude_none=True)) for item in self.items]


class JobMade(BaseModel):
    """A job that was taken."""

    job_id: str
    status_url: str
    estimated_seconds: float | None = Field(description="at the rate that is measured; null before there is one")


class BatchMade(BaseModel):
    """A batch that was taken."""

    batch_id: str
    job_ids: list[str]
    status_url: str
    estimated_seconds: float | None


class JobFault(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class Telling(BaseModel):
    """One try to tell the webhook."""

    at: float
    outcome: str


class WebhookShown(BaseModel):
    """How a job's caller is told."""

    url: str
    attempts: list[Telling]


class JobShown(BaseModel):
    """A job; times are Unix times."""

    id: str
    object: Literal["audio.speech.job"] = "audio.speech.job"
    status: JobStatus
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None
    audio_url: str | None
    duration_seconds: float | None
    error: JobFault | None
    attempts: int
    batch_id: str | None
    webhook: WebhookShown | None

    @classmethod
    def of(cls, job: Job, audio_url: str | None) -> Self:
        """Show a job."""
        webhook = None
        if job.webhook is not None:
            attempts = [Telling(at=each.at_s, outcome=each.outcome) for each in job.webhook_attempts]
            webhook = WebhookShown(url=job.webhook, attempts=attempts)
        return cls(
            id=job.id,
            status=job.state,
            progress=job.progress,
            created_at=int(job.created_s),
            completed_at=None if job.completed_s is None else int(job.completed_s),
            expires_at=None if job.expires_s is None else int(job.expires_s),
            audio_url=audio_url,
            duration_seconds=None if job.result is None else job.result.duration_s,
            error=None if job.error is None else JobFault(code=job.error.code, message=job.error.message),
            attempts=job.attempts,
            batch_id=job.batch,
            webhook=webhook,
        )


class ListedJobs(BaseModel):
    """Query of ``GET /v1/jobs``."""

    limit: int = Field(default=20, ge=1, le=MOST_LISTED)
    after: str | None = Field(default=None, description="`last_id` of the page before")
    batch_id: str | None = Field(default=None, description="of this batch only")


class JobList(BaseModel):
    """A page of a token's jobs, the newest first, or of a batch's, in the order of its texts."""

    object: Literal["list"] = "list"
    data: list[JobShown]
    has_more: bool
    last_id: str | None = Field(description="what the next page comes `after`; also where its own job is forgotten")


class Counted(BaseModel):
    """Jobs of a batch by what became of them."""

    total: int
    queued: int
    in_progress: int
    completed: int
    failed: int
    cancelled: int


class BatchShown(BaseModel):
    """A batch."""

    id: str
    object: Literal["audio.speech.batch"] = "audio.speech.batch"
    status: Literal["queued", "in_progress", "completed"] = Field(
        description="completed: every job is over, well or not"
    )
    created_at: int
    job_counts: Counted
    job_ids: list[str]
