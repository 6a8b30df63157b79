"""Job records in Redis: every step of a job's life is one call here and one script there."""

import json
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from s1_client.job_records import JobFault, JobStatus, WebhookAttempt
from s1_gateway.errors import RETRY_AFTER_S, GatewayError, Reason
from s1_gateway.job_settings import JobSettings
from s1_gateway.jobs import scripts
from s1_gateway.jobs.rate import Rate, rate_of
from s1_gateway.jobs.records import POISON, Batch, Job, JobClass, JobResult, NewJob, to_json

PREFIX: Final = "s1:jobs:"
HOOKS: Final = "hooks"
_RATE_FRESH_S: Final = 1.0
_CONNECTIONS: Final = 64
_CONNECTION_WAIT_S: Final = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Jobs that are asked for together.

    Args:
        token: Whose they are.
        job_class: Their queue.
        jobs: At least one.
        webhook: Address that is told; None: nobody is.
        idempotency_key: The caller's; the same key and the same body make no second job.
        body_hash: Of what came.
        batch_id: None for a job of its own.
    """

    token: str
    job_class: JobClass
    jobs: Sequence[NewJob]
    webhook: str | None
    idempotency_key: str | None
    body_hash: str
    batch_id: str | None = None


@dataclass(frozen=True)
class Taken:
    """Jobs that were taken.

    Args:
        id: Of the job or the batch; that of the first one where the key came before.
        estimated_s: How long all that waits takes at the measured rate; None where none was measured.
        is_repeat: Whether the key came before, so that nothing new was taken.
    """

    id: str
    estimated_s: float | None
    is_repeat: bool


class Ledger:
    """Job records.

    Args:
        redis: Where they are.
        settings: Of jobs.
    """

    def __init__(self, redis: Redis, settings: JobSettings) -> None:
        self.redis: Any = redis  # its types know nothing of decode_responses
        self._settings = settings
        self._scripts = {
            name: redis.register_script(getattr(scripts, name))
            for name in ("SUBMIT", "CLAIM", "BEAT", "FINISH", "GIVE_BACK", "CANCEL", "REAP", "TAKE_DUE", "TOLD", "LIST")
        }
        self._rate: Rate | None = None  # measured at most once a second
        self._rate_s = float("-inf")

    async def _run(self, script: str, *arguments: str | float) -> Any:
        return await self._scripts[script](args=[PREFIX, *arguments])

    async def submit(self, submission: Submission) -> Taken:
        """Remember jobs, all or none of them.

        Raises:
            GatewayError: there are too many, or the key came with another body, or Redis takes nothing.
        """
        key = submission.idempotency_key or ""
        jobs = [part for job in submission.jobs for part in (job.id, job.spec, job.num_characters)]
        fixed = (submission.token, submission.job_class, submission.webhook or "", key, submission.body_hash)
        most, ttl_s = self._settings.jobs_max_waiting, self._settings.jobs_ttl_s
        try:
            answer = await self._run(
                "SUBMIT", most, *fixed, ttl_s, submission.batch_id or "", len(submission.jobs), *jobs
            )
        except RedisError as error:
            log.warning("a job cannot be taken: %r", error)
            raise unavailable() from error
        if answer[0] == "full":
            estimate_s = await self._estimate_s(await self.redis.get(PREFIX + "characters"))
            told = "" if estimate_s is None else f"; at the measured rate those take {estimate_s:.0f} s"
            fault = f"{most} jobs may wait at once{told}"
            raise GatewayError(Reason.BUSY, fault, retry_after_s=10 * RETRY_AFTER_S)
        if answer[0] == "conflict":
            fault = f"Idempotency-Key: got {key!r} with another body before; allowed: the same body, or another key"
            raise GatewayError(Reason.CONFLICT, fault, field="Idempotency-Key")
        is_repeat = answer[0] == "same"
        made = str(answer[1]) if is_repeat else submission.batch_id or submission.jobs[0].id
        return Taken(made, await self._estimate_s(answer[2]), is_repeat)

    async def is_known(self, submission: Submission) -> bool:
        """Whether its key came before, so that nothing new would be taken.

        Raises:
            GatewayError: Redis does not answer.
        """
        if not submission.idempotency_key:
            return False
        try:
            return bool(await self.redis.exists(f"{PREFIX}same:{submission.token}:{submission.idempotency_key}"))
        except RedisError as error:
            raise unavailable() from error

    async def find(self, job_id: str) -> Job | None:
        """Read a job."""
        fields = await self.redis.hgetall(f"{PREFIX}job:{job_id}")
        return Job.read(job_id, fields) if "state" in fields else None

    async def find_all(self, job_ids: Sequence[str]) -> list[Job | None]:
        """Read jobs; those that are forgotten by now are None."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hgetall(f"{PREFIX}job:{job_id}")
            found = await pipe.execute()
        pairs = zip(job_ids, found, strict=True)
        return [Job.read(job_id, fields) if "state" in fields else None for job_id, fields in pairs]

    async def find_batch(self, batch_id: str) -> Batch | None:
        """Read a batch."""
        fields = await self.redis.hgetall(f"{PREFIX}batch:{batch_id}")
        return Batch.read(batch_id, fields) if fields else None

    async def list_ids(self, token: str, most: int, after: str | None = None) -> list[str] | None:
        """Ids of a token's jobs, the newest first: those behind ``after``; None where that is none of them."""
        is_known, *ids = await self._run("LIST", token, most, after or "")
        return ids if is_known else None

    async def claim(self, job_id: str, owner: str) -> Job | None:
        """Take a job to work on; None where it does not wait."""
        answer = await self._run("CLAIM", job_id, owner, self._lease_ms)
        fields = dict(zip(answer[::2], answer[1::2], strict=True))
        return Job.read(job_id, fields) if fields else None

    async def deaths(self, job_id: str) -> int:
        """Workers that died with a job."""
        return int(await self.redis.hget(f"{PREFIX}job:{job_id}", "deaths") or 0)

    async def beat(self, job_id: str, owner: str, progress: int) -> bool:
        """Give a sign of life; tells whether the job is still this owner's."""
        return bool(await self._run("BEAT", job_id, owner, self._lease_ms, progress))

    async def finish(self, job: Job, owner: str, outcome: JobResult | JobFault, *, is_cached: bool = False) -> bool:
        """End a job; tells whether it still was this owner's.

        Args:
            job: As it was claimed.
            owner: Who did it.
            outcome: Its sound, or why there is none.
            is_cached: Whether the sound was there already, which says nothing of the servers' rate.
        """
        is_good = isinstance(outcome, JobResult)
        state = JobStatus.COMPLETED if is_good else JobStatus.FAILED
        error = "" if isinstance(outcome, JobResult) else to_json(outcome)
        result = to_json(outcome) if isinstance(outcome, JobResult) else ""
        began_ms = "" if is_cached or job.started_s is None else round(job.started_s * 1000)
        ttl_s = self._settings.jobs_ttl_s
        was_ours = bool(await self._run("FINISH", job.id, owner, state, error, result, ttl_s, began_ms))
        if was_ours and isinstance(outcome, JobFault):
            await self.count(f"failed:{outcome.code}")
        if was_ours and is_cached:
            await self.count("cached")
        return was_ours

    async def give_back(self, job_id: str, owner: str, delay_s: float, *, is_attempt: bool) -> None:
        """Let a job wait again.

        Args:
            job_id: Which.
            owner: Who had it.
            delay_s: When it is to be tried again at the earliest.
            is_attempt: Whether it failed, rather than was not begun.
        """
        await self._run("GIVE_BACK", job_id, owner, round(delay_s * 1000), int(is_attempt))

    async def cancel(self, job_id: str) -> None:
        """Cancel a job that is not over; its worker notices by its next sign of life."""
        await self._run("CANCEL", job_id, self._settings.jobs_ttl_s)

    async def hurry(self, job_id: str) -> None:
        """Let a job that waits be handed out now, as its id was not used."""
        for job_class in JobClass:
            await self.redis.zadd(f"{PREFIX}due:{job_class}", {job_id: 0}, xx=True)

    async def hurry_hook(self, job_id: str) -> None:
        """Let a job's caller be told now, if it is to be told."""
        await self.redis.zadd(PREFIX + HOOKS, {job_id: 0}, xx=True)

    async def reap(self) -> None:
        """Let jobs wait again whose worker gave no sign of life; set aside those that several workers died of."""
        fault = f"it ended {self._settings.jobs_deaths} workers and is set aside"
        error = to_json(JobFault(POISON, fault))
        await self._run("REAP", self._settings.jobs_deaths, self._settings.jobs_ttl_s, error, self._lease_ms)

    async def take_due(self, name: str, most: int, again_s: float) -> list[str]:
        """Ids whose time has come.

        Args:
            name: Of the sorted set.
            most: How many at most.
            again_s: They are due again then, if nothing becomes of them.
        """
        return list(await self._run("TAKE_DUE", name, most, round(again_s * 1000)))

    async def told(self, job: Job, attempt: WebhookAttempt, next_s: float | None) -> None:
        """Remember a try to tell a job's caller; the next is due in so many seconds, or never."""
        attempts = [[each.at_s, each.outcome] for each in (*job.webhook_attempts, attempt)]
        delay = "" if next_s is None else round(next_s * 1000)
        await self._run("TOLD", job.id, json.dumps(attempts), delay)

    async def forget_hook(self, job_id: str) -> None:
        """Tell nobody of a job whose record is gone."""
        await self.redis.zrem(PREFIX + HOOKS, job_id)

    async def cached(self, key: str) -> JobResult | None:
        """Sound that is there already."""
        found = await self.redis.get(f"{PREFIX}cache:{key}")
        return JobResult(**json.loads(found)) if found else None

    async def cache(self, key: str, result: JobResult) -> None:
        """Remember sound, for as long as a job."""
        await self.redis.set(f"{PREFIX}cache:{key}", to_json(result), ex=self._settings.jobs_ttl_s)

    async def count(self, name: str) -> None:
        """Count what metrics show."""
        await self.redis.hincrby(PREFIX + "counts", name, 1)

    async def counts(self) -> Mapping[str, int]:
        """All that was counted."""
        return {name: int(value) for name, value in (await self.redis.hgetall(PREFIX + "counts")).items()}

    async def now_s(self) -> float:
        """Unix time by the one clock that all times of jobs are of."""
        seconds, micros = await self.redis.time()
        return float(seconds + micros / 1e6)

    async def load(self) -> "Load":
        """How much there is to do."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for job_class in JobClass:
                pipe.zcard(f"{PREFIX}waiting:{job_class}")
                pipe.zrange(f"{PREFIX}waiting:{job_class}", 0, 0, withscores=True)
            pipe.zcard(PREFIX + "running")
            pipe.get(PREFIX + "characters")
            pipe.time()
            *by_class, running, characters, (now_s, _) = await pipe.execute()
        waiting = dict(zip(JobClass, by_class[::2], strict=True))
        oldest = [entries[0][1] / 1000 for entries in by_class[1::2] if entries]
        oldest_s = max(0.0, now_s - min(oldest)) if oldest else 0.0
        return Load(waiting=waiting, num_running=running, oldest_s=oldest_s, num_characters=int(characters or 0))

    async def rate(self) -> Rate | None:
        """What workers did lately; None before the first job ended."""
        if self._rate is None or time.monotonic() - self._rate_s > _RATE_FRESH_S:
            self._rate = rate_of(await self.redis.lrange(PREFIX + "recent", 0, -1))
            self._rate_s = time.monotonic()
        return self._rate

    async def _estimate_s(self, num_characters: str | None) -> float | None:
        """How long so many characters take at the measured rate; None where none was measured, or can be read now."""
        try:
            rate = await self.rate()
        except RedisError:
            return None
        return None if rate is None else round(int(num_characters or 0) / rate.characters_per_s, 3)

    @property
    def _lease_ms(self) -> int:
        return round(self._settings.jobs_lease_s * 1000)


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much there is to do.

    Args:
        waiting: Jobs by queue.
        num_running: Jobs that workers have.
        oldest_s: Age of the oldest that waits.
        num_characters: Of all that wait or run.
    """

    waiting: Mapping[JobClass, int]
    num_running: int
    oldest_s: float
    num_characters: int


@asynccontextmanager
async def open_ledger(url: str, settings: JobSettings, *, retries: int = 1) -> AsyncGenerator[Ledger]:
    """Open the records.

    Args:
        url: Of Redis.
        settings: Of jobs.
        retries: How often a step is tried again where the connection breaks.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_CONNECTION_WAIT_S,
        decode_responses=True,
        socket_timeout=5,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=2, base=0.05), retries),
        health_check_interval=15,
    )
    redis = Redis.from_pool(pool)
    try:
        yield Ledger(redis, settings)
    finally:
        await redis.aclose()


def unavailable() -> GatewayError:
    """Make the error of records that cannot be reached: nothing is half-made."""
    return GatewayError(Reason.BUSY, "jobs cannot be taken or looked up now", retry_after_s=2 * RETRY_AFTER_S)
