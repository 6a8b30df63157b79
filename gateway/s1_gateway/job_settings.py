"""Settings of jobs, part of the gateway's: ``S1_GATEWAY_JOBS_*``, ``..._WORKER_*`` and ``..._WEBHOOK_*``."""

from pathlib import Path

from pydantic import BaseModel, Field

DAY_S = 86_400
LONGEST_LINK_S = 7 * DAY_S
"""S3's own limit; boto3 signs longer ones, which the store then refuses."""


class JobSettings(BaseModel):
    """What gateway and worker need to know of jobs. There are jobs where ``redis_url`` is set."""

    jobs_folder: Path = Field(default=Path("out/jobs"), description="where the sound of jobs lies, without a bucket")
    jobs_bucket: str | None = Field(
        default=None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[^/].*)?$",
        description="`s3://bucket/prefix` for it instead; AWS's own variables name account, region and endpoint",
    )
    jobs_public_endpoint: str | None = Field(
        default=None, description="address under which callers reach the bucket; without it, sound comes by `/content`"
    )
    jobs_link_s: int = Field(default=3600, ge=1, le=LONGEST_LINK_S, description="how long a link to sound is valid")
    jobs_ttl_s: int = Field(default=DAY_S, ge=1, description="how long a job that ended and its sound are kept")
    jobs_max_waiting: int = Field(default=100_000, ge=1, description="jobs that wait; further ones are refused")
    jobs_max_batch: int = Field(default=1000, ge=1, description="most texts of a batch")
    jobs_streams: int = Field(default=32, ge=1, le=1024, description="jobs that a worker speaks at once")
    worker_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="port of a worker's `/healthz`, `/readyz` and `/metrics`; none: it has no port",
    )
    jobs_attempts: int = Field(default=12, ge=1, description="times a job is tried if servers are busy or gone")
    jobs_backoff_s: float = Field(default=0.5, gt=0, description="wait before the second try; doubled for each next")
    jobs_lease_s: float = Field(default=30.0, gt=0, description="a job without a sign of life for so long is put back")
    jobs_deaths: int = Field(default=3, ge=1, description="workers that a job may take with it before it is set aside")
    jobs_grace_s: float = Field(default=20.0, ge=0, description="after SIGTERM, how long a worker's jobs may go on")
    webhook_secret: str | None = Field(
        default=None,
        min_length=24,
        repr=False,
        description="what each token's signing secret is made of; none: no webhooks",
    )
    webhook_secret_file: Path | None = Field(default=None, description="file with it instead")
    webhook_timeout_s: float = Field(default=15.0, gt=0, description="longest wait for a webhook's receiver")
    flower_password_file: Path | None = Field(
        default=None, description="file with `user:password` for `s1-gateway flower`"
    )
    webhook_private: bool = Field(default=False, description="allow webhooks to private addresses and without TLS")
