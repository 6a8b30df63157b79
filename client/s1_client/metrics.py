"""Figures of a Prometheus page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_SAMPLE = re.compile(
    r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})?[ \t]+"
    r"(?P<value>[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|Inf|NaN))(?=\s|$)",
    re.MULTILINE,
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Sample:
    """One figure.

    Args:
        name: Its metric.
        labels: What sets it apart from others of the metric.
        value: The figure.
    """

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class MetricsPage:
    """All figures of a page.

    Args:
        samples: In the order of the page.
    """

    samples: tuple[Sample, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a page; lines that are no figure are left out."""
        return cls(
            tuple(
                Sample(found["name"], _read_labels(found["labels"] or ""), float(found["value"]))
                for found in _SAMPLE.finditer(text)
            )
        )

    def of(self, name: str) -> list[Sample]:
        """Figures of a metric, one for each set of labels."""
        return [sample for sample in self.samples if sample.name == name]

    def total(self, name: str) -> float:
        """Sum of a metric over its labels; 0 where there is none."""
        return sum(sample.value for sample in self.of(name))


def _read_labels(text: str) -> dict[str, str]:
    return {name: _ESCAPE.sub(_unescape, value) for name, value in _LABEL.findall(text)}


def _unescape(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]
