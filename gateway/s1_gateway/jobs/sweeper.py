"""What is to be done goes from the ledger into Celery's lists; what nobody does any more is put back."""

import asyncio
import contextlib
import logging
import time
from typing import Final

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from s1_gateway.job_settings import JobSettings
from s1_gateway.jobs.ledger import HOOKS, Ledger
from s1_gateway.jobs.queue import WEBHOOKS, queue_of, send
from s1_gateway.jobs.records import JobClass
from s1_gateway.jobs.store import SoundStore, StoreError

log = logging.getLogger(__name__)

_TICK_S: Final = 0.1
_CLEAN_EVERY_S: Final = 600.0


class Sweeper:
    """Runs in every worker; each step happens once, in any of them.

    Args:
        ledger: Of jobs.
        store: Cleaned.
        app: Celery's.
        settings: Of jobs.
    """

    def __init__(self, ledger: Ledger, store: SoundStore, app: Celery, settings: JobSettings) -> None:
        self._ledger = ledger
        self._store = store
        self._app = app
        self._settings = settings
        # lists are kept short: an id that waits in one for long is put in again, and a list that is lost costs little
        self._most_listed = max(64, 4 * settings.jobs_streams)
        self._again_s = 2 * settings.jobs_lease_s
        self._cleaned_s = float("-inf")

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except (RedisError, OperationalError, OSError) as error:
                log.warning("jobs cannot be handed out now: %s", error)
                await asyncio.sleep(1)
            await asyncio.sleep(_TICK_S)

    async def sweep(self) -> None:
        """Hand out what is due."""
        await self._ledger.reap()
        for job_class in JobClass:
            await self._hand_out(f"due:{job_class}", "s1.job", queue_of(job_class), self._again_s)
        await self._hand_out(HOOKS, "s1.webhook", f"s1.{WEBHOOKS}", 4 * self._settings.webhook_timeout_s)
        if time.monotonic() - self._cleaned_s > _CLEAN_EVERY_S:
            self._cleaned_s = time.monotonic()
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(self._store.clean, 2.0 * self._settings.jobs_ttl_s)

    async def _hand_out(self, due: str, task: str, queue: str, again_s: float) -> None:
        room = self._most_listed - int(await self._ledger.redis.llen(queue))
        if room <= 0:
            return
        if job_ids := await self._ledger.take_due(due, room, again_s):
            await asyncio.to_thread(send, self._app, task, queue, job_ids)
