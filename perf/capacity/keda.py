"""KEDA's part: from nothing to the first pod and back, and what counts while the metric cannot be had.

Between one pod and the most, Kubernetes' own autoscaler decides (:mod:`perf.capacity.hpa`); it asks KEDA for the metric
at each of its looks. KEDA's polling interval only decides when it looks whether there is anything to do at all. Rules
are those of KEDA from 2.19 on ("ScaledObject specification", and ``pkg/fallback`` and ``pkg/scaling`` where it leaves
something open): questions of both kinds that fail are counted together.
"""

from dataclasses import dataclass, field

from perf.capacity.hpa import DEFAULT_DOWN, DEFAULT_UP, SYNC_S, Hpa, Rules, desired_by_average_value


@dataclass(frozen=True)
class Scaling:
    """What a ScaledObject says.

    Args:
        threshold: Of the metric, that one pod may have (``AverageValue``).
        least: Fewest pods.
        most: Most pods.
        activation: Above this there is something to do; at it there is not.
        poll_s: How often KEDA looks whether there is.
        cooldown_s: How long there must be nothing before the last pod goes.
        failures: Questions in a row that may fail, KEDA's own and the autoscaler's; with one more, ``fallback`` counts.
        fallback: Fewest pods while the metric cannot be had (``currentReplicasIfHigher``); None: as many as there are.
        up: How the number may grow.
        down: How it may shrink.
    """

    threshold: float
    least: int = 1
    most: int = 100
    activation: float = 0.0
    poll_s: float = 30.0
    cooldown_s: float = 300.0
    failures: int = 3
    fallback: int | None = None
    up: Rules = DEFAULT_UP
    down: Rules = DEFAULT_DOWN

    def __post_init__(self) -> None:
        """Check what can be checked.

        Raises:
            ValueError: a number is out of range.
        """
        if self.threshold <= 0:
            raise ValueError(f"threshold: got {self.threshold:g}; allowed: over 0")
        if not 0 <= self.least <= self.most:
            raise ValueError(f"least, most: got {self.least}, {self.most}; allowed: 0 <= least <= most")


@dataclass
class Keda:
    """The loop, driven by a clock of the simulation.

    Args:
        scaling: What it is told.
        replicas: Pods that are asked for.
    """

    scaling: Scaling
    replicas: int
    _hpa: Hpa = field(init=False)
    _polls_s: float = 0.0
    _syncs_s: float = 0.0
    _active_s: float = 0.0
    _num_failures: int = 0

    def __post_init__(self) -> None:
        """Make the autoscaler, which never asks for none."""
        self._hpa = Hpa(max(1, self.scaling.least), self.scaling.most, self.scaling.up, self.scaling.down)

    def step(self, now_s: float, metric: float | None, scheduled: int = 0) -> int:
        """Look, if it is time to.

        Args:
            now_s: The time.
            metric: Its value; None: it cannot be had.
            scheduled: Pods that a timetable (KEDA's ``cron``) asks for now.

        Returns:
            Pods that are asked for.
        """
        if now_s >= self._polls_s:
            self._polls_s = now_s + self.scaling.poll_s
            self._poll(now_s, metric, scheduled)
        if now_s >= self._syncs_s and self.replicas:
            self._syncs_s = now_s + SYNC_S
            desired = max(self._desired(metric), scheduled)
            self.replicas = self._hpa.look(now_s, self.replicas, desired)
        return self.replicas

    def _poll(self, now_s: float, metric: float | None, scheduled: int) -> None:
        self._num_failures = self._num_failures + 1 if metric is None else 0
        is_busy = self._falls_back if metric is None else metric > self.scaling.activation
        if is_busy or scheduled:
            self._active_s = now_s
            self.replicas = self.replicas or max(1, self.scaling.least)
        elif metric is not None and not self.scaling.least and now_s - self._active_s >= self.scaling.cooldown_s:
            self.replicas = 0

    @property
    def _falls_back(self) -> bool:
        return bool(self.scaling.fallback) and self._num_failures > self.scaling.failures

    def _desired(self, metric: float | None) -> int:
        if metric is not None:
            self._num_failures = 0
            return desired_by_average_value(self.replicas, metric, self.scaling.threshold)
        self._num_failures += 1
        return max(self.replicas, self.scaling.fallback or 0) if self._falls_back else self.replicas
