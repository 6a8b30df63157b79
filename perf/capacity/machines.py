"""Pods of a pool and the machines that they run on: on their way, ready, taken back, gone but still paid."""

from dataclasses import dataclass, field

import numpy as np
from perf.capacity.engine_rate import EngineRate
from perf.capacity.prices import Price
from perf.capacity.trouble import SpotWave


@dataclass(frozen=True)
class Start:
    """How long a pod takes to be ready, in seconds; assumptions until they are measured on a cluster.

    Args:
        node: A machine is had and joins the cluster.
        image: The image is fetched and unpacked.
        weights: The weights are read.
        warm_up: Kernels and graphs are made, the first word is spoken.
    """

    node: float = 100.0
    image: float = 120.0
    weights: float = 40.0
    warm_up: float = 60.0

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.node + self.image + self.weights + self.warm_up


@dataclass(frozen=True)
class Pool:
    """What runs the engines.

    Args:
        rate: Of one engine.
        price: Of its machine.
        on_demand: So many pods run on machines that are kept; those beyond on spot machines.
        spot_losses_per_h: Share of the spot machines that the cloud takes back in an hour, with two minutes' notice.
        start: How long a pod takes to be ready.
        node_ends_s: A machine is paid for so long after its pod has gone.
        scrape_s: Age of the metric at most: how often Prometheus reads it.
        max_waiting: ``S1_GATEWAY_JOBS_MAX_WAITING``: one more is refused.
        queue: ``S1_MAX_QUEUE`` of each engine, where callers wait there and not as jobs; None: as jobs.
    """

    rate: EngineRate
    price: Price
    on_demand: int = 1
    spot_losses_per_h: float = 0.05
    start: Start = field(default_factory=Start)
    node_ends_s: float = 60.0
    scrape_s: float = 15.0
    max_waiting: int = 100_000
    queue: int | None = None

    def room(self, engines: int) -> int:
        """How many may wait where so many engines are ready."""
        return self.max_waiting if self.queue is None else self.queue * engines


class Machines:
    """Pods with a machine each.

    Args:
        pool: What they are.
        ready: How many are ready at the start.
        source: Random numbers, for losses.
        wave: When many of them are taken back at once.
    """

    def __init__(self, pool: Pool, ready: int, source: np.random.Generator, wave: SpotWave | None = None) -> None:
        self._pool = pool
        self._source = source
        self._wave = wave
        self._starting_s: list[float] = []
        self._leaving_s: list[float] = []
        self.ready = ready
        self.num_lost = 0
        self.on_demand_s = self.spot_s = 0.0

    def step(self, now_s: float, asked: int) -> None:
        """Go on by a second with so many pods asked for."""
        while self._starting_s and self._starting_s[0] <= now_s:
            self._starting_s.pop(0)
            self.ready += 1
        while self._leaving_s and self._leaving_s[0] <= now_s:
            self._leaving_s.pop(0)
        self._lose(now_s)
        self._begin(now_s, asked)
        for _ in range(self._there - asked):
            if self._starting_s:  # those that are not ready go first
                self._starting_s.pop()
            else:
                self.ready -= 1
            self._leaving_s.append(now_s + self._pool.node_ends_s)
        self._pay(now_s)

    @property
    def _there(self) -> int:
        return self.ready + len(self._starting_s)

    def _kept(self, now_s: float, pods: int) -> int:
        """How many of so many pods have a machine that nobody takes back."""
        is_helped = self._wave is not None and self._wave.is_helped(now_s)
        return pods if is_helped else min(pods, self._pool.on_demand)

    def _begin(self, now_s: float, asked: int) -> None:
        """Begin to start what is missing, as far as there are machines; the other pods are pending."""
        if self._wave is not None and not self._wave.has_spot(now_s):
            asked = min(asked, max(self._there, self._kept(now_s, asked)))
        self._starting_s += [now_s + self._pool.start.seconds] * (asked - self._there)

    def _lose(self, now_s: float) -> None:
        """Spot machines that are taken back; two minutes are enough for what they speak, and others are asked for."""
        spot = max(0, self.ready - self._pool.on_demand)
        if spot and self._pool.spot_losses_per_h:
            lost = int(self._source.binomial(spot, self._pool.spot_losses_per_h / 3600))
            self.ready -= lost
            self.num_lost += lost
        if self._wave is None or now_s != self._wave.at_s:
            return
        lost = round(self._wave.share * max(0, self.ready - self._pool.on_demand))
        self.ready -= lost
        starting = round(self._wave.share * max(0, self._there - max(self.ready, self._pool.on_demand)))
        del self._starting_s[len(self._starting_s) - starting :]
        self.num_lost += lost + starting

    def _pay(self, now_s: float) -> None:
        paid = self._there + len(self._leaving_s)
        kept = self._kept(now_s, paid)
        self.on_demand_s += kept
        self.spot_s += paid - kept
