"""Kubernetes' HorizontalPodAutoscaler as a state machine: what it makes of a metric, look by look.

Formulas are those of Kubernetes' documentation ("Horizontal Pod Autoscaling", algorithm details and configurable
scaling behavior, v1.33) and of its controller, where the documentation leaves something open.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

TOLERANCE = 0.1
"""How far the ratio of a metric and its target may be from 1 without a change."""

SYNC_S = 15.0
"""Time between two looks."""


class Target(StrEnum):
    """What a metric is compared with."""

    AVERAGE_VALUE = "AverageValue"
    """The metric is of all pods together; each pod may have the target."""
    VALUE = "Value"
    """The metric is to have the target's value, however many pods there are."""


class Unit(StrEnum):
    """What a policy counts."""

    PODS = "Pods"
    PERCENT = "Percent"


@dataclass(frozen=True)
class Policy:
    """How fast the number of pods may change.

    Args:
        unit: What is counted.
        value: How many.
        period_s: In this time.
    """

    unit: Unit
    value: int
    period_s: float


@dataclass(frozen=True)
class Rules:
    """Of one direction.

    Args:
        stabilization_s: The gentlest recommendation of this time counts.
        policies: The one that allows most counts; none: no change in this direction.
    """

    stabilization_s: float
    policies: tuple[Policy, ...]


DEFAULT_UP = Rules(0.0, (Policy(Unit.PERCENT, 100, 15.0), Policy(Unit.PODS, 4, 15.0)))
DEFAULT_DOWN = Rules(300.0, (Policy(Unit.PERCENT, 100, 15.0),))

SLOW_UP = Rules(0.0, (Policy(Unit.PERCENT, 100, 30.0), Policy(Unit.PODS, 4, 30.0)))
SLOW_DOWN = Rules(600.0, (Policy(Unit.PODS, 1, 60.0),))
"""The chart's."""


def desired_by_average_value(replicas: int, metric: float, target: float, tolerance: float = TOLERANCE) -> int:
    """Replicas for a metric of all pods together, of which each may have ``target``.

    Pods that are not ready yet count: the metric is divided by the number that was asked for.
    """
    if replicas and _is_near(metric / (target * replicas), tolerance):
        return replicas
    return _ceil(metric / target)


def desired_by_value(replicas: int, ready: int, metric: float, target: float, tolerance: float = TOLERANCE) -> int:
    """Replicas for a metric that is to have the value ``target``: those that are ready, times the ratio.

    Args:
        replicas: That were asked for.
        ready: Of these, those that are ready.
        metric: Its value.
        target: What it is to be.
        tolerance: How far the ratio may be from 1 without a change.
    """
    ratio = metric / target
    if not replicas:
        return _ceil(ratio)
    return replicas if _is_near(ratio, tolerance) else _ceil(ready * ratio)


def _is_near(ratio: float, tolerance: float) -> bool:
    return 1 - tolerance <= ratio <= 1 + tolerance


def _ceil(pods: float) -> int:
    """Round up, but not because of the last bit of a division."""
    return math.ceil(round(pods, 9))


@dataclass
class Hpa:
    """One autoscaler.

    Args:
        least: Fewest replicas; 1 or more.
        most: Most replicas.
        up: How it may grow.
        down: How it may shrink.
    """

    least: int
    most: int
    up: Rules = DEFAULT_UP
    down: Rules = DEFAULT_DOWN
    _recommended: deque[tuple[float, int]] = field(default_factory=deque)
    _added: deque[tuple[float, int]] = field(default_factory=deque)
    _removed: deque[tuple[float, int]] = field(default_factory=deque)

    def look(self, now_s: float, replicas: int, desired: int) -> int:
        """Replicas that it asks for now.

        Args:
            now_s: The time.
            replicas: That were asked for before.
            desired: What the metric says.
        """
        asked = self._limited(now_s, replicas, self._stabilized(now_s, replicas, desired))
        if asked > replicas:
            self._added.append((now_s, asked - replicas))
        elif asked < replicas:
            self._removed.append((now_s, replicas - asked))
        return asked

    def _stabilized(self, now_s: float, replicas: int, desired: int) -> int:
        """The gentlest recommendation of each direction's window."""
        self._recommended.append((now_s, desired))
        longest_s = max(self.up.stabilization_s, self.down.stabilization_s)
        while self._recommended[0][0] < now_s - longest_s:
            self._recommended.popleft()
        lowest = min(count for at_s, count in self._recommended if at_s >= now_s - self.up.stabilization_s)
        highest = max(count for at_s, count in self._recommended if at_s >= now_s - self.down.stabilization_s)
        return min(max(replicas, lowest), highest)

    def _limited(self, now_s: float, replicas: int, wanted: int) -> int:
        """As far as policies and limits let it go."""
        if wanted > replicas:
            allowed = [_grown(policy, self._start(now_s, replicas, policy)) for policy in self.up.policies]
            wanted = min(wanted, max(replicas, *allowed) if allowed else replicas)
        elif wanted < replicas:
            allowed = [_shrunk(policy, self._start(now_s, replicas, policy)) for policy in self.down.policies]
            wanted = max(wanted, min(replicas, *allowed) if allowed else replicas)
        return min(max(wanted, self.least), self.most)

    def _start(self, now_s: float, replicas: int, policy: Policy) -> int:
        """Replicas at the start of a policy's period."""
        return replicas - _within(self._added, now_s, policy) + _within(self._removed, now_s, policy)


def _within(changes: deque[tuple[float, int]], now_s: float, policy: Policy) -> int:
    return sum(count for at_s, count in changes if at_s > now_s - policy.period_s)


def _grown(policy: Policy, start: int) -> int:
    return start + policy.value if policy.unit is Unit.PODS else _ceil(start * (1 + policy.value / 100))


def _shrunk(policy: Policy, start: int) -> int:
    # a percentage of pods is rounded up, so that the last ones can go
    return start - policy.value if policy.unit is Unit.PODS else math.floor(round(start * (1 - policy.value / 100), 9))
