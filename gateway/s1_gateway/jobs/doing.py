"""What a worker does with an id that Celery brings."""

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from redis.exceptions import RedisError

from s1_gateway.jobs.ledger import Ledger
from s1_gateway.jobs.pace import Pace
from s1_gateway.jobs.performing import Performer
from s1_gateway.jobs.records import Job
from s1_gateway.jobs.webhooks import Teller


class Doing:
    """Jobs and webhooks that are under way, all on one loop.

    Args:
        ledger: Of jobs.
        performer: Does a job.
        pace: How many at once.
        teller: Tells callers.
        telling: Threads for that.
    """

    def __init__(
        self, ledger: Ledger, performer: Performer, pace: Pace, teller: Teller, telling: ThreadPoolExecutor
    ) -> None:
        self._ledger = ledger
        self._performer = performer
        self._pace = pace
        self._teller = teller
        self._telling = telling
        self._alone = asyncio.Lock()
        self._worker_id = secrets.token_hex(8)
        self._running: set[asyncio.Task[None]] = set()
        self._is_ending = False

    def begin_no_more(self) -> None:
        """Leave what is not begun to other workers."""
        self._is_ending = True

    async def give_back(self) -> None:
        """Stop what runs; each job goes back whole, and another worker begins it anew."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do a job or a webhook so that :meth:`give_back` can stop it.

        Args:
            work: What :meth:`speak` or :meth:`tell` made.
        """
        task = asyncio.create_task(work)
        self._running.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._running.discard(task)
        task.result()

    async def speak(self, job_id: str) -> None:
        """Do the job of an id, if it still waits."""
        owner = f"{self._worker_id}:{secrets.token_hex(4)}"
        async with AsyncExitStack() as stack:
            try:
                if await self._ledger.deaths(job_id):
                    # it may be what ended a worker: one such job at a time, so that few are suspected of one's fault
                    await stack.enter_async_context(self._alone)
                place = await stack.enter_async_context(self._pace.place())
                if self._is_ending:
                    raise asyncio.CancelledError
                job = await self._ledger.claim(job_id, owner)
            except asyncio.CancelledError:  # while it waited for its turn: others need not wait until it counts as lost
                with contextlib.suppress(RedisError):
                    await self._ledger.hurry(job_id)
                raise
            if job is not None:
                await self._performer.perform(job, owner, place)

    async def tell(self, job_id: str) -> None:
        """Tell the caller of the job of an id."""
        if self._is_ending:
            await self._ledger.hurry_hook(job_id)
        else:
            await self._teller.tell(self._ledger, job_id, call_in_thread=self._call)

    async def _call(self, teller: Teller, job: Job, at_s: float) -> tuple[int | None, str, float]:
        return await asyncio.get_running_loop().run_in_executor(self._telling, teller.call, job, at_s)
