"""What the benchmark commands print."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from perf.machine import Machine

    class Measured(DataclassInstance, Protocol):
        """A dataclass that says on what it was measured."""

        @property
        def machine(self) -> "Machine":
            """On what."""


def print_result(result: "Measured", *, as_json: bool) -> None:
    """Print the figures of a result line by line, and if so asked all of it as one JSON line last."""
    figures: dict[str, Any] = asdict(result)
    machine = figures.pop("machine")
    shown = machine | figures
    width = max(map(len, shown))
    for name, value in shown.items():
        print(f"{name:>{width}}  {value:.3f}" if isinstance(value, float) else f"{name:>{width}}  {value}")
    if as_json:
        print(json.dumps({**figures, "machine": machine}))
