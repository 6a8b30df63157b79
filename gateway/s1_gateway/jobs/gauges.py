"""What Prometheus sees of jobs: read from the records, so that it is true without any server or worker."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from redis.exceptions import RedisError

from s1_gateway.jobs.ledger import Ledger

log = logging.getLogger(__name__)

_EVERY_S: Final = 2.0


class JobGauges:
    """Gauges of jobs, the same at every gateway that shares the records: take one of them, not their sum.

    Args:
        registry: The gateway's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"s1_gateway_jobs_{name}", help_text, labels, registry=registry)

        self._waiting = gauge("waiting", "Jobs that wait", ("queue",))
        self._running = gauge("running", "Jobs that workers have")
        self._oldest = gauge("oldest_seconds", "Age of the oldest job that waits")
        self._characters = gauge("characters", "Characters of all jobs that wait or run")
        self._rate = gauge("characters_per_second", "Characters that workers said lately while they had work")
        self._counted = gauge("counted", "Jobs and webhooks ever, by what became of them", ("what",))

    async def show(self, ledger: Ledger) -> None:
        """Read the records."""
        load = await ledger.load()
        for job_class, number in load.waiting.items():
            self._waiting.labels(job_class).set(number)
        self._running.set(load.num_running)
        self._oldest.set(load.oldest_s)
        self._characters.set(load.num_characters)
        if rate := await ledger.rate():
            self._rate.set(rate.characters_per_s)
        for what, number in (await ledger.counts()).items():
            self._counted.labels(what).set(number)


@asynccontextmanager
async def following_jobs(ledger: Ledger, registry: CollectorRegistry) -> AsyncGenerator[None]:
    """Keep the gauges true."""
    gauges = JobGauges(registry)

    async def follow() -> None:
        while True:
            try:
                await gauges.show(ledger)
            except RedisError as error:
                log.warning("jobs cannot be counted now: %s", error)
            await asyncio.sleep(_EVERY_S)

    following = asyncio.create_task(follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait({following})
