"""Custom metrics on the server's metrics port.

Each change is a call to the server process: make them from a ticker's thread, never from one that computes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import triton_python_backend_utils as pb_utils

Labels = Mapping[str, str]


class Gauge:
    """A value that goes up and down, one for each set of labels.

    Args:
        name: Prometheus name, unit last.
        description: What it tells.
        labels: Label sets; all are shown from the start, so that a rate over them has a beginning.
    """

    def __init__(self, name: str, description: str, labels: Iterable[Labels] = ({},)) -> None:
        self._family = pb_utils.MetricFamily(name=name, description=description, kind=pb_utils.MetricFamily.GAUGE)
        self._metrics = _metrics(self._family, labels)

    def set(self, value: float, labels: Labels | None = None) -> None:
        """Show a value."""
        self._metrics[_key(labels or {})].set(value)


class Counter:
    """A total that only grows, one for each set of labels.

    Args:
        name: Prometheus name, ending in ``_total``.
        description: What it counts.
        labels: Label sets.
    """

    def __init__(self, name: str, description: str, labels: Iterable[Labels] = ({},)) -> None:
        self._family = pb_utils.MetricFamily(name=name, description=description, kind=pb_utils.MetricFamily.COUNTER)
        self._metrics = _metrics(self._family, labels)
        self._shown = dict.fromkeys(self._metrics, 0.0)

    def show(self, total: float, labels: Labels | None = None) -> None:
        """Bring the counter up to a total."""
        key = _key(labels or {})
        if total > self._shown[key]:
            self._metrics[key].increment(total - self._shown[key])
            self._shown[key] = total


class Histogram:
    """A distribution.

    Args:
        name: Prometheus name, unit last.
        description: What is observed.
        buckets: Upper bounds, rising; the one for everything else is added by the server.
    """

    def __init__(self, name: str, description: str, buckets: Sequence[float]) -> None:
        self._family = pb_utils.MetricFamily(name=name, description=description, kind=pb_utils.MetricFamily.HISTOGRAM)
        self._metric = self._family.Metric(labels={}, buckets=list(buckets))

    def observe(self, values: Iterable[float]) -> None:
        """Add observations."""
        for value in values:
            self._metric.observe(value)


def _metrics(family: Any, labels: Iterable[Labels]) -> dict[tuple[tuple[str, str], ...], Any]:
    return {_key(each): family.Metric(labels=dict(each)) for each in labels}


def _key(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))
