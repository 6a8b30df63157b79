"""What Prometheus sees of jobs: read from the records, so that it is true without any server or worker."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from s1_client.job_records import JobStatus
from s1_gateway.errors import Reason
from s1_gateway.jobs.ledger import Ledger
from s1_gateway.jobs.records import POISON

log = logging.getLogger(__name__)

_EVERY_S: Final = 2.0
_FAILED: Final = "failed:"
_WEBHOOK: Final = "webhook:"


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
        self._records = gauge("records_up", "1: the records can be read; 0: what the others show is old")
        self._counters = JobCounters()
        registry.register(self._counters)

    async def show(self, ledger: Ledger) -> None:
        """Read the records.

        Raises:
            RedisError: they cannot be read; the gauges stay as they were, and one says so.
        """
        try:
            await self._show(ledger)
        except RedisError:
            self._records.set(0)
            raise
        self._records.set(1)

    async def _show(self, ledger: Ledger) -> None:
        load = await ledger.load()
        for job_class, number in load.waiting.items():
            self._waiting.labels(job_class).set(number)
        self._running.set(load.num_running)
        self._oldest.set(load.oldest_s)
        self._characters.set(load.num_characters)
        if rate := await ledger.rate():
            self._rate.set(rate.characters_per_s)
        self._counters.counted = await ledger.counts()


class JobCounters(Collector):
    """Counters whose values are the records'; what never happened is 0, so that its first time is an increase."""

    def __init__(self) -> None:
        self.counted: Mapping[str, int] = {}

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Make the metrics."""
        over = {state.value: self.counted.get(state, 0) for state in JobStatus if state.is_over}
        yield _family("s1_gateway_jobs_ended", "Jobs that ended, by how", "outcome", over)
        failed = dict.fromkeys([*Reason, POISON], 0) | self._with_prefix(_FAILED)
        yield _family("s1_gateway_jobs_failed", "Jobs that failed, by why", "reason", failed)
        webhooks = dict.fromkeys(("delivered", "retried", "failed"), 0) | self._with_prefix(_WEBHOOK)
        told = "Tries to tell webhooks: retried is tried again later, failed was the last one"
        yield _family("s1_gateway_webhook_attempts", told, "outcome", webhooks)
        for name, key, help_text in (
            ("retries", "retried", "Jobs put back as servers were full or gone"),
            ("lost", "lost", "Jobs put back as their worker gave no sign of life"),
            ("cached", "cached", "Jobs answered from the store"),
        ):
            yield CounterMetricFamily(f"s1_gateway_jobs_{name}", help_text, value=self.counted.get(key, 0))

    def _with_prefix(self, prefix: str) -> dict[str, int]:
        return {name.removeprefix(prefix): n for name, n in self.counted.items() if name.startswith(prefix)}


def _family(name: str, help_text: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


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
