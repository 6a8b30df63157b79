"""The ``jobs`` of a client that waits."""

from collections.abc import Callable, Sequence
from pathlib import Path

from s1_client.job_records import Batch, Job, JobSound, JobText, TakenBatch, TakenJob
from s1_client.jobs import AsyncJobs
from s1_client.loop_thread import LoopThread
from s1_client.options import SpeechOptions


class SyncJobs:
    """As :class:`AsyncJobs`, for a caller that waits.

    Args:
        jobs: Asked on the loop.
        loop: Where it runs.
    """

    def __init__(self, jobs: AsyncJobs, loop: LoopThread) -> None:
        self._jobs = jobs
        self._loop = loop

    def submit(
        self,
        text: str,
        options: SpeechOptions | None = None,
        *,
        sound: JobSound | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> TakenJob:
        """Make a job; see :meth:`AsyncJobs.submit`."""
        return self._loop.run(
            self._jobs.submit(text, options, sound=sound, webhook_url=webhook_url, idempotency_key=idempotency_key)
        )

    def submit_batch(
        self,
        texts: Sequence[JobText],
        options: SpeechOptions | None = None,
        *,
        sound: JobSound | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> TakenBatch:
        """Make a job of each text; see :meth:`AsyncJobs.submit_batch`."""
        return self._loop.run(
            self._jobs.submit_batch(
                texts, options, sound=sound, webhook_url=webhook_url, idempotency_key=idempotency_key
            )
        )

    def show(self, job_id: str) -> Job:
        """How far a job is."""
        return self._loop.run(self._jobs.show(job_id))

    def show_batch(self, batch_id: str) -> Batch:
        """How far a batch is."""
        return self._loop.run(self._jobs.show_batch(batch_id))

    def list(self, *, limit: int | None = 20, batch_id: str | None = None) -> list[Job]:
        """The newest jobs, or those of a batch; see :meth:`AsyncJobs.list`."""
        return self._loop.run(self._jobs.list(limit=limit, batch_id=batch_id))

    def wait(self, job_id: str, *, deadline_s: float | None = None, tell: Callable[[Job], None] | None = None) -> Job:
        """Wait until a job is over; see :meth:`AsyncJobs.wait`. ``tell`` is called in the thread of the loop."""
        return self._loop.run(self._jobs.wait(job_id, deadline_s=deadline_s, tell=tell))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that is over stays as it is."""
        return self._loop.run(self._jobs.cancel(job_id))

    def cancel_batch(self, batch_id: str) -> Batch:
        """Cancel the jobs of a batch that are not over."""
        return self._loop.run(self._jobs.cancel_batch(batch_id))

    def content(self, job_id: str) -> bytes:
        """A completed job's sound, as a whole file."""
        return self._loop.run(self._jobs.content(job_id))

    def save(self, job_id: str, path: str | Path) -> None:
        """Write a completed job's sound to a file; see :meth:`AsyncJobs.save`."""
        self._loop.run(self._jobs.save(job_id, path))
