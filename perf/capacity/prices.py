"""What an hour of a machine with one GPU costs: an input of the planner, kept in a file with its sources."""

import json
from dataclasses import dataclass
from pathlib import Path

from perf.errors import MeasurementError
from pydantic import TypeAdapter, ValidationError

PRICES = Path(__file__).with_name("prices.json")


@dataclass(frozen=True)
class Price:
    """Of a machine with one GPU.

    Args:
        instance: Its name at the cloud; the chart's requests fit on it.
        vcpus: That it has.
        memory_gib: That it has.
        on_demand_per_h: For as long as it is wanted.
        spot_per_h: Where the cloud may take it back.
        source: Who says so, and when.
    """

    instance: str
    vcpus: int
    memory_gib: int
    on_demand_per_h: float
    spot_per_h: float
    source: str


@dataclass(frozen=True)
class PriceList:
    """Prices of one place and day.

    Args:
        note: What they are worth.
        currency: Of all of them.
        region: Of the cloud.
        date: When they were looked up.
        machines: By kind of GPU.
    """

    note: str
    currency: str
    region: str
    date: str
    machines: dict[str, Price]

    @classmethod
    def load(cls, file: Path = PRICES) -> "PriceList":
        """Read a file of prices.

        Raises:
            MeasurementError: it is none.
        """
        try:
            return TypeAdapter(cls).validate_python(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            raise MeasurementError(f"prices: {file} cannot be read: {error}") from error
