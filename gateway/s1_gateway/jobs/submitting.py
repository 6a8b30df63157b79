"""Taking jobs: what is refused is refused here, before anything is remembered."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from s1_gateway.auth import Caller
from s1_gateway.encoding import SoundSpecError
from s1_gateway.errors import NO_FAULT_OF_THE_CALLER, GatewayError, Reason, invalid, problem_of
from s1_gateway.jobs.addresses import AddressError, check_address
from s1_gateway.jobs.ledger import Ledger, Submission, Taken
from s1_gateway.jobs.records import JobClass, NewJob
from s1_gateway.jobs.schemas import BatchBody, Item, JobBody
from s1_gateway.jobs.spec import JobSpec
from s1_gateway.jobs.store import SoundStore
from s1_gateway.limits import Limits
from s1_gateway.settings import Settings
from s1_gateway.texts import check_text

_KEY: Final = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True)
class Jobs:
    """What the gateway needs for jobs.

    Args:
        ledger: Their records.
        store: Their sound.
        limits: Who may.
        settings: The gateway's.
    """

    ledger: Ledger
    store: SoundStore
    limits: Limits
    settings: Settings

    async def submit(self, caller: Caller, body: JobBody, raw: bytes, key: str | None) -> Taken:
        """Take a job.

        Args:
            caller: Whose it is.
            body: What came.
            raw: The same as bytes: what a repeated key must come with.
            key: The ``Idempotency-Key``.

        Raises:
            GatewayError: it is refused.
        """
        return await self._submit(caller, [body], body.webhook_url, raw, key, None)

    async def submit_batch(self, caller: Caller, body: BatchBody, raw: bytes, key: str | None) -> Taken:
        """Take a batch, all of it or nothing."""
        most = min(self.settings.jobs_max_batch, self.settings.jobs_max_waiting)  # more would never find room
        if len(body.items) > most:
            raise invalid("items", f"got {len(body.items)} texts; allowed: 1 to {most}")
        return await self._submit(caller, body.filled(), body.webhook_url, raw, key, _new_id("batch"))

    async def _submit(
        self, caller: Caller, items: list[Item], webhook: str | None, raw: bytes, key: str | None, batch_id: str | None
    ) -> Taken:
        if key is not None and not _KEY.fullmatch(key):
            raise invalid("Idempotency-Key", f"got {key!r:.80}; allowed: 1 to 128 visible ASCII characters")
        if webhook is not None:
            self._check_webhook(webhook)
        jobs = [self._new_job(item) for item in items] if batch_id is None else self._new_jobs(items)
        submission = Submission(
            token=caller.name,
            job_class=JobClass.SINGLE if batch_id is None else JobClass.BATCH,
            jobs=jobs,
            webhook=webhook,
            idempotency_key=key,
            body_hash=hashlib.sha256(raw).hexdigest(),
            batch_id=batch_id,
        )
        if await self.ledger.is_known(submission):
            return await self.ledger.submit(submission)
        num_characters = sum(job.num_characters for job in jobs)
        await self.limits.count(caller, num_characters)
        try:
            taken = await self.ledger.submit(submission)
        except GatewayError as error:
            is_no_fault = error.problem.reason in NO_FAULT_OF_THE_CALLER
            await self.limits.give_back(caller, num_characters, is_request_too=is_no_fault)
            raise
        if taken.is_repeat:  # two came at once
            await self.limits.give_back(caller, num_characters, is_request_too=True)
        return taken

    def _new_jobs(self, items: list[Item]) -> list[NewJob]:
        jobs = []
        for index, item in enumerate(items):
            try:
                jobs.append(self._new_job(item))
            except (GatewayError, SoundSpecError) as error:
                problem = problem_of(error)
                fault = problem.message.removeprefix(f"{problem.field}: ")
                raise invalid(f"items.{index}.{problem.field}", fault) from None
        return jobs

    def _new_job(self, item: Item) -> NewJob:
        check_text(item.text, self.settings.max_text_characters)
        if item.voice_id is not None and (not item.voice_id or len(item.voice_id) > 255 or "\0" in item.voice_id):
            raise invalid("voice_id", "allowed: a name of 1 to 255 characters")
        sound = (item.response_format or "wav", item.sample_rate, item.speed or 1.0)
        spec = JobSpec.of(item.text, item.voice_id, sound, item)
        return NewJob(id=_new_id("job"), spec=spec.model_dump_json(), num_characters=len(item.text))

    def _check_webhook(self, url: str) -> None:
        if self.settings.webhook_secret is None:
            raise invalid("webhook_url", "this gateway has no secret to sign webhooks with; ask for the job's state")
        try:
            check_address(url, is_private_allowed=self.settings.webhook_private)
        except AddressError as error:
            raise invalid("webhook_url", str(error)) from None


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(12)}"


def not_found(kind: str) -> GatewayError:
    """Make the error of an id that is not known, or is another caller's."""
    return GatewayError(Reason.NOT_FOUND, f"there is no such {kind}; what ended is forgotten after a while", field=kind)
