"""Figures of a Prometheus page."""

import re

_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{.*\})?\s+(?P<value>\S+)", re.MULTILINE)


def read_metrics(page: str) -> dict[str, float]:
    """Read a page of metrics.

    Returns:
        For each metric the sum over its labels, and as ``<name>.count`` how many there are of it.
    """
    sums: dict[str, float] = {}
    for sample in _SAMPLE.finditer(page):
        name = sample["name"]
        sums[name] = sums.get(name, 0.0) + float(sample["value"])
        sums[f"{name}.count"] = sums.get(f"{name}.count", 0.0) + 1
    return sums
