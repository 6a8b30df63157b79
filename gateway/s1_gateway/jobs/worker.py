"""The worker: Celery brings ids to its threads, and one loop holds the streams of all of them.

Celery's pool is that of threads. Its thread waits for the loop, so that an id is acknowledged when its job is over. A
process for each stream would cost 64 times the memory, and the solo pool takes one id at a time.

SIGTERM begins Celery's warm shutdown, which waits for its threads; what still runs near the end of the grace is given
back here, so that they end. Celery's soft shutdown cannot be had: it kills jobs at its end, and the pool of threads
cannot kill any.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import secrets
import socket
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final

from celery.signals import worker_shutting_down
from redis.exceptions import RedisError

from s1_client import AsyncS1Client
from s1_gateway.jobs.ledger import Ledger, open_ledger
from s1_gateway.jobs.pace import Pace
from s1_gateway.jobs.performing import Performer
from s1_gateway.jobs.queue import make_celery
from s1_gateway.jobs.records import Job
from s1_gateway.jobs.stores import open_store
from s1_gateway.jobs.sweeper import Sweeper
from s1_gateway.jobs.webhooks import Teller
from s1_gateway.jobs.weights import Weights
from s1_gateway.limits import Limits
from s1_gateway.metrics import Metrics
from s1_gateway.servers import DNS, following_servers
from s1_gateway.settings import Settings, SettingsError
from s1_gateway.speech import Speech
from s1_gateway.voices.names import VoiceNames

log = logging.getLogger(__name__)

NUM_TELLING: Final = 16
"""Webhooks under way at once, on threads besides those of jobs: receivers that hang do not hold up speech."""


class Worker:
    """A worker's loop, in a thread of its own, and what it does for Celery's threads.

    Args:
        settings: The gateway's.

    Raises:
        SettingsError: there is no Redis.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.redis_url is None:
            raise SettingsError(
                "S1_GATEWAY_REDIS_URL: got none; allowed: redis://host:port/number, where jobs are kept"
            )
        self._url = settings.redis_url
        self._settings = settings
        self._id = secrets.token_hex(8)
        self._loop = asyncio.new_event_loop()
        self._running: set[asyncio.Task[None]] = set()
        self._is_ending = False
        self.celery = make_celery(self._url, self._speak, self._tell)
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._ledger: Ledger | None = None

    @property
    def is_ending(self) -> bool:
        """Whether it was asked to end."""
        return self._is_ending

    def run(self) -> int:
        """Work until SIGTERM, or until Celery gives up, as it does where Redis is full; gives the exit status."""
        thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(),), name="streams", daemon=True
        )
        thread.start()
        while not self._ready.wait(0.1):
            if not thread.is_alive():
                return 1
        worker_shutting_down.connect(self._drain, weak=False)
        num_threads = self._settings.jobs_streams + NUM_TELLING
        worker = self.celery.Worker(
            pool="threads",
            concurrency=num_threads,
            hostname=f"s1-{self._id}@{socket.gethostname()}",
            loglevel="WARNING",
            without_mingle=True,
            without_gossip=True,
            task_events=True,
        )
        log.warning("the worker is ready for %d jobs at once", self._settings.jobs_streams)
        try:
            worker.start()
        finally:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._end.set)
            thread.join(self._settings.jobs_grace_s)
        return int(worker.exitcode or 0)

    async def _serve(self) -> None:
        settings = self._settings
        limits = Limits(settings.model_copy(update={"redis_url": None, "max_streams": settings.jobs_streams}))
        metrics = Metrics(lambda: limits.num_open)
        urls = [] if settings.servers[0].startswith(DNS) else settings.servers
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(AsyncS1Client(urls))
            await stack.enter_async_context(following_servers(settings.servers, client, metrics, settings.resolve_s))
            self._ledger = await stack.enter_async_context(open_ledger(self._url, settings, retries=3))
            store = open_store(settings)
            self._pace = Pace(settings.jobs_streams)
            self._alone = asyncio.Lock()
            self._teller = Teller(settings)
            self._telling = concurrent.futures.ThreadPoolExecutor(NUM_TELLING, "telling")
            self._performer = Performer(
                self._ledger,
                store,
                Speech(client, limits, metrics, settings),
                VoiceNames(client.voices, settings),
                Weights(client),
                self._pace,
                settings,
            )
            sweeping = asyncio.create_task(Sweeper(self._ledger, store, self.celery, settings).run())
            self._ready.set()
            await self._end.wait()
            sweeping.cancel()
            for task in self._running:
                task.cancel()
            if self._running:
                await asyncio.wait(self._running)
            self._telling.shutdown(wait=False, cancel_futures=True)

    # called by Celery's threads

    def _speak(self, job_id: str) -> None:
        self._wait_for(self._do_job(job_id))

    def _tell(self, job_id: str) -> None:
        self._wait_for(self._do_webhook(job_id))

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._tracked(work), self._loop).result()
        except (concurrent.futures.CancelledError, RedisError) as error:
            log.info("a job is left to its lease: %r", error)

    def _drain(self, **_: object) -> None:
        """Begin no job any more; give back what still runs before the grace is over."""
        self._is_ending = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._settings.jobs_grace_s * 0.8, self._give_back)

    def _give_back(self) -> None:
        for task in self._running:
            task.cancel()

    # on the loop

    async def _tracked(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._running.discard(task)
        task.result()

    async def _do_job(self, job_id: str) -> None:
        assert self._ledger is not None
        if self._is_ending:
            return
        async with AsyncExitStack() as stack:
            if await self._ledger.deaths(job_id):
                # it may be what ended a worker: such jobs run one at a time, so that few are suspected of one's fault
                await stack.enter_async_context(self._alone)
            await stack.enter_async_context(self._pace.place())
            if self._is_ending:
                return
            owner = f"{self._id}:{secrets.token_hex(4)}"
            job = await self._ledger.claim(job_id, owner)
            if job is not None:
                await self._performer.perform(job, owner)

    async def _do_webhook(self, job_id: str) -> None:
        assert self._ledger is not None
        if not self._is_ending:
            await self._teller.tell(self._ledger, job_id, call_in_thread=self._call)

    async def _call(self, teller: Teller, job: Job) -> tuple[int | None, str, float]:
        return await self._loop.run_in_executor(self._telling, teller.call, job)
