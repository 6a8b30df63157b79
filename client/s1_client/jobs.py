"""The ``jobs`` of a client: speech that a gateway makes later."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from s1_client.errors import DeadlineError, HttpError, UnexpectedAnswerError, UnreachableError
from s1_client.gateway_http import Gateway, GatewayConnection
from s1_client.job_records import (
    Batch,
    Job,
    JobSound,
    JobText,
    TakenBatch,
    TakenJob,
    options_to_json,
    taken_batch,
    taken_job,
)
from s1_client.options import SpeechOptions
from s1_protocol.whole_file import write_whole

LARGEST_PAGE = 100
"""Jobs that a gateway shows at once."""

_FIRST_LOOK_S = 0.2
_LONGEST_LOOK_S = 2.0
PATIENCE_S = 120.0
"""How long a gateway may be away while jobs are waited for; they outlive it."""


class Patience:
    """Bears a gateway that is away or has its hands full, but not for ever."""

    def __init__(self) -> None:
        self._answered_s = time.monotonic()

    def answered(self) -> None:
        """Note that the gateway is there."""
        self._answered_s = time.monotonic()

    def bear(self, error: UnreachableError | HttpError) -> None:
        """Let a failure pass; raises it if it will not pass, or has lasted too long."""
        may_pass = isinstance(error, UnreachableError) or error.retry_after_s is not None
        if not may_pass or time.monotonic() - self._answered_s > PATIENCE_S:
            raise error


class AsyncJobs:
    """Makes jobs at a gateway and looks after them.

    It is the ``jobs`` of a client, or stands alone: ``async with AsyncJobs(Gateway(...)) as jobs``. Every call raises
    ``HttpError`` with the gateway's message if it refuses, ``UnreachableError`` if none answers.

    Args:
        gateway: Whom to ask.
    """

    def __init__(self, gateway: Gateway | None = None) -> None:
        self._connection = GatewayConnection(gateway or Gateway())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; jobs go on."""
        await self._connection.close()

    async def submit(
        self,
        text: str,
        options: SpeechOptions | None = None,
        *,
        sound: JobSound | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> TakenJob:
        """Make a job.

        Args:
            text: What to say.
            options: How to say it.
            sound: The file.
            webhook_url: Address that is told of the job's end.
            idempotency_key: The same key with the same job makes no second one; None: one is drawn, so that a request
                that is sent again makes none either.

        Raises:
            OptionError: an option is none of a job's.
        """
        body = JobText(text, options or SpeechOptions()).to_json() | _shared(sound, webhook_url)
        return taken_job(await self._post("v1/audio/speech/async", body, idempotency_key))

    async def submit_batch(
        self,
        texts: Sequence[JobText],
        options: SpeechOptions | None = None,
        *,
        sound: JobSound | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> TakenBatch:
        """Make a job of each text, of all or of none; arguments as of :meth:`submit`, and hold for all of them.

        Raises:
            OptionError: an option is none of a job's.
        """
        body = {
            "items": [each.to_json() for each in texts],
            **options_to_json(options or SpeechOptions()),
            **_shared(sound, webhook_url),
        }
        return await self.send_batch(body, idempotency_key)

    async def send_batch(self, body: dict[str, Any], idempotency_key: str | None) -> TakenBatch:
        """Make a batch of a body that is made already: what is sent again under its key must be the same."""
        return taken_batch(await self._post("v1/audio/speech/batch", body, idempotency_key))

    async def show(self, job_id: str) -> Job:
        """How far a job is."""
        return Job.from_json(await self._connection.ask_json("GET", _job(job_id)))

    async def show_batch(self, batch_id: str) -> Batch:
        """How far a batch is."""
        return Batch.from_json(await self._connection.ask_json("GET", f"v1/batches/{quote(batch_id, safe='')}"))

    async def list(self, *, limit: int | None = 20, batch_id: str | None = None) -> list[Job]:
        """The newest jobs, or those of a batch in the order of its texts; what is forgotten is left out.

        Args:
            limit: Jobs at most; None: all.
            batch_id: Only jobs of this batch.
        """
        found: list[Job] = []
        query: dict[str, str | int] = {} if batch_id is None else {"batch_id": batch_id}
        while limit is None or len(found) < limit:
            query["limit"] = LARGEST_PAGE if limit is None else min(LARGEST_PAGE, limit - len(found))
            page = await self._connection.ask_json("GET", "v1/jobs", query=query)
            try:
                shown, has_more, last_id = page["data"], page["has_more"], page["last_id"]
            except (KeyError, TypeError) as error:
                raise UnexpectedAnswerError("the gateway", f"what is no list of jobs: {page!r:.80}") from error
            found += [Job.from_json(each) for each in shown]
            if not has_more:
                break
            query["after"] = last_id
        return found

    async def wait(
        self, job_id: str, *, deadline_s: float | None = None, tell: Callable[[Job], None] | None = None
    ) -> Job:
        """Wait until a job is over, well or not; a gateway that is away meanwhile is waited for, too.

        Args:
            job_id: Which.
            deadline_s: Longest wait; None: without limit.
            tell: Hears how far the job is, whenever it is looked at.

        Raises:
            DeadlineError: it is not over by then; the job goes on.
            UnreachableError: no gateway answered for two minutes.
        """
        began_s = time.monotonic()
        patience = Patience()
        pause_s = _FIRST_LOOK_S
        while True:
            try:
                job = await self.show(job_id)
            except (UnreachableError, HttpError) as error:
                patience.bear(error)
            else:
                patience.answered()
                if tell is not None:
                    tell(job)
                if job.status.is_over:
                    return job
            left_s = float("inf") if deadline_s is None else began_s + deadline_s - time.monotonic()
            if deadline_s is not None and left_s <= 0:
                raise DeadlineError(deadline_s)
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.3, _LONGEST_LOOK_S)

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that is over stays as it is."""
        return Job.from_json(await self._connection.ask_json("DELETE", _job(job_id)))

    async def cancel_batch(self, batch_id: str) -> Batch:
        """Cancel the jobs of a batch that are not over."""
        return Batch.from_json(await self._connection.ask_json("DELETE", f"v1/batches/{quote(batch_id, safe='')}"))

    async def content(self, job_id: str) -> bytes:
        """A completed job's sound, as a whole file."""
        return await self._connection.ask_bytes(f"{_job(job_id)}/content")

    async def save(self, job_id: str, path: str | Path) -> None:
        """Write a completed job's sound to a file, whole or not at all; its ending changes nothing of the format.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(Path(path), await self.content(job_id))

    async def _post(self, path: str, body: dict[str, Any], key: str | None) -> Any:
        drawn = key if key is not None else secrets.token_hex(16)
        return await self._connection.ask_json("POST", path, body=body, key=drawn)


def _job(job_id: str) -> str:
    return f"v1/jobs/{quote(job_id, safe='')}"


def _shared(sound: JobSound | None, webhook_url: str | None) -> dict[str, Any]:
    told = (sound or JobSound()).to_json()
    return told if webhook_url is None else {**told, "webhook_url": webhook_url}
