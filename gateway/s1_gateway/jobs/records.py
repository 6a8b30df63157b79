"""What is remembered of a job."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from s1_client.job_records import JobFault, JobStatus, WebhookAttempt


class JobClass(StrEnum):
    """Queues of their own, so that one job need not wait for thousands."""

    SINGLE = "single"
    BATCH = "batch"


POISON: Final = "poison"
"""Reason of a job that is set aside: the workers that ran it died."""


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """Sound in the store.

    Args:
        name: In the store.
        media_type: Content type.
        num_bytes: Its size.
        duration_s: How long it is heard.
        made_s: When it was made, Unix time.
    """

    name: str
    media_type: str
    num_bytes: int
    duration_s: float
    made_s: float


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What is asked for.

    Args:
        id: Made by the gateway.
        spec: What to say and how, as JSON.
        num_characters: Of its text.
    """

    id: str
    spec: str
    num_characters: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as it is now; times are Unix times."""

    id: str
    token: str
    job_class: JobClass
    spec: str
    num_characters: int
    state: JobStatus
    created_s: float
    started_s: float | None = None
    completed_s: float | None = None
    expires_s: float | None = None
    progress: int = 0
    attempts: int = 0
    deaths: int = 0
    batch: str | None = None
    webhook: str | None = None
    webhook_attempts: tuple[WebhookAttempt, ...] = field(default=())
    error: JobFault | None = None
    result: JobResult | None = None

    @classmethod
    def read(cls, job_id: str, fields: Mapping[str, str]) -> Self:
        """Read a record's fields."""
        return cls(
            id=job_id,
            token=fields["token"],
            job_class=JobClass(fields["class"]),
            spec=fields["spec"],
            num_characters=int(fields["characters"]),
            state=JobStatus(fields["state"]),
            created_s=int(fields["created_ms"]) / 1000,
            started_s=_seconds(fields.get("started_ms")),
            completed_s=_seconds(fields.get("completed_ms")),
            expires_s=_seconds(fields.get("expires_ms")),
            progress=int(fields.get("progress", 0)),
            attempts=int(fields.get("attempts", 0)),
            deaths=int(fields.get("deaths", 0)),
            batch=fields.get("batch") or None,
            webhook=fields.get("webhook") or None,
            webhook_attempts=tuple(WebhookAttempt(*each) for each in json.loads(fields.get("told", "[]"))),
            error=JobFault(**json.loads(fields["error"])) if fields.get("error") else None,
            result=JobResult(**json.loads(fields["result"])) if fields.get("result") else None,
        )


def to_json(value: JobFault | JobResult | None) -> str:
    """Write a part of a record; nothing is an empty text."""
    return json.dumps(asdict(value)) if value is not None else ""


def _seconds(told_ms: str | None) -> float | None:
    return int(told_ms) / 1000 if told_ms else None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Jobs that were asked for together.

    Args:
        id: Its id.
        token: Whose it is.
        created_s: Unix time.
        job_ids: In the order of the texts.
    """

    id: str
    token: str
    created_s: float
    job_ids: tuple[str, ...]

    @classmethod
    def read(cls, batch_id: str, fields: Mapping[str, Any]) -> Self:
        """Read a record's fields."""
        created_s = int(fields["created_ms"]) / 1000
        return cls(id=batch_id, token=fields["token"], created_s=created_s, job_ids=tuple(fields["jobs"].split()))
