"""The worker: Celery brings ids to its threads, and one loop holds the streams of all of them.

Celery's pool is that of threads. Its thread waits for the loop, so that an id is acknowledged when its job is over. A
process for each stream would cost 64 times the memory, and the solo pool takes one id at a time.

SIGTERM begins Celery's warm shutdown, which waits for its threads; what still runs near the end of the grace is given
back here, so that they end. Celery's soft shutdown (SIGTERM remapped to SIGQUIT) cannot be had: at its end it kills
jobs, the pool of threads cannot kill any, and the worker goes on until the last job is over.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import secrets
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Final

import uvloop
from celery import Celery
from celery.signals import worker_shutting_down
from redis.exceptions import RedisError

from s1_client import AsyncS1Client
from s1_gateway.jobs.doing import Doing
from s1_gateway.jobs.ledger import open_ledger
from s1_gateway.jobs.pace import Pace
from s1_gateway.jobs.performing import Performer
from s1_gateway.jobs.queue import make_celery
from s1_gateway.jobs.stores import open_store
from s1_gateway.jobs.sweeper import Sweeper
from s1_gateway.jobs.webhooks import Teller
from s1_gateway.jobs.weights import Weights
from s1_gateway.jobs.worker_http import answering, make_worker_app
from s1_gateway.limits import Limits
from s1_gateway.metrics import Metrics
from s1_gateway.servers import DNS, following_servers
from s1_gateway.settings import Settings, SettingsError
from s1_gateway.speech import Speech
from s1_gateway.voices.names import VoiceNames

log = logging.getLogger(__name__)

NUM_TELLING: Final = 16
"""Webhooks under way at once, on threads besides those of jobs: receivers that hang do not hold up speech."""

_SPARE_THREADS: Final = 4
"""For what is not a job's: handing out, cleaning."""

_GIVE_BACK_AT: Final = 0.8
"""Share of the grace after which jobs are given back; the rest is for giving back."""


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
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._is_ending = False
        self._end = asyncio.Event()

    @property
    def is_ending(self) -> bool:
        """Whether it was asked to end."""
        return self._is_ending

    def run(self) -> int:
        """Work until SIGTERM, or until Celery gives up, as it does where Redis is full; gives the exit status."""
        opened: concurrent.futures.Future[tuple[Celery, Doing]] = concurrent.futures.Future()
        thread = threading.Thread(target=self._run_loop, args=(opened,), name="streams", daemon=True)
        thread.start()
        celery, doing = opened.result()

        def drain(**_: object) -> None:
            self._is_ending = True
            doing.begin_no_more()
            asyncio.run_coroutine_threadsafe(self._give_back_later(doing), self._loop)

        worker_shutting_down.connect(drain, weak=False)
        worker = celery.Worker(
            pool="threads",
            concurrency=self._settings.jobs_streams + NUM_TELLING,
            hostname=f"s1-{secrets.token_hex(8)}@{socket.gethostname()}",
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

    def _run_loop(self, opened: concurrent.futures.Future[tuple[Celery, Doing]]) -> None:
        try:
            self._loop.run_until_complete(self._serve(opened))
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    async def _serve(self, opened: concurrent.futures.Future[tuple[Celery, Doing]]) -> None:
        settings = self._settings
        # a store that hangs holds up no job but its own
        self._loop.set_default_executor(ThreadPoolExecutor(settings.jobs_streams + _SPARE_THREADS, "sound-store"))
        limits = Limits(settings.model_copy(update={"redis_url": None, "max_streams": settings.jobs_streams}))
        metrics = Metrics(lambda: limits.num_open)
        urls = [] if settings.servers[0].startswith(DNS) else settings.servers
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(AsyncS1Client(urls))
            await stack.enter_async_context(following_servers(settings.servers, client, metrics, settings.resolve_s))
            ledger = await stack.enter_async_context(open_ledger(self._url, settings, retries=3))
            app = make_worker_app(ledger, metrics, lambda: self._is_ending)
            await stack.enter_async_context(answering(settings, app))
            store = open_store(settings)
            pace = Pace(settings.jobs_streams)
            telling = ThreadPoolExecutor(NUM_TELLING, "telling")
            performer = Performer(
                ledger,
                store,
                Speech(client, limits, metrics, settings),
                VoiceNames(client.voices, settings),
                Weights(client),
                pace,
                settings,
            )
            doing = Doing(ledger, performer, pace, Teller(settings), telling)
            celery = make_celery(
                self._url,
                speak=lambda job_id: self._wait_for(doing.run(doing.speak(job_id))),
                tell=lambda job_id: self._wait_for(doing.run(doing.tell(job_id))),
            )
            sweeping = asyncio.create_task(Sweeper(ledger, store, celery, settings).run())
            opened.set_result((celery, doing))
            await self._end.wait()
            sweeping.cancel()
            await doing.give_back()
            telling.shutdown(wait=False, cancel_futures=True)

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait in Celery's thread until something is done on the loop."""
        try:
            asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except (concurrent.futures.CancelledError, RedisError) as error:
            log.info("a job is left to its lease: %r", error)

    async def _give_back_later(self, doing: Doing) -> None:
        await asyncio.sleep(_GIVE_BACK_AT * self._settings.jobs_grace_s)
        await doing.give_back()
