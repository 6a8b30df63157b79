"""What goes wrong in a day: the cloud takes its spot machines back at once, or Prometheus does not answer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SpotWave:
    """Many spot machines are taken back at the same time, and for a while no others can be had.

    Args:
        at_s: When.
        share: Of the spot machines, those on their way included.
        none_for_s: How long none can be had afterwards.
        kept_after_s: So long afterwards machines on demand are taken instead, of which there are enough; None: never.
    """

    at_s: float
    share: float = 1.0
    none_for_s: float = 1800.0
    kept_after_s: float | None = None

    def has_spot(self, now_s: float) -> bool:
        """Whether spot machines can be had."""
        return not self.at_s <= now_s < self.at_s + self.none_for_s

    def is_helped(self, now_s: float) -> bool:
        """Whether machines on demand are taken instead."""
        return self.kept_after_s is not None and not self.has_spot(now_s) and now_s >= self.at_s + self.kept_after_s


@dataclass(frozen=True)
class Outage:
    """Prometheus does not answer, so that the metric cannot be had.

    Args:
        begins_s: From when on.
        ends_s: Until when.
    """

    begins_s: float
    ends_s: float

    def has_metric(self, now_s: float) -> bool:
        """Whether the metric can be had."""
        return not self.begins_s <= now_s < self.ends_s


@dataclass(frozen=True)
class Trouble:
    """All that goes wrong.

    Args:
        wave: Of the spot machines.
        outage: Of Prometheus.
    """

    wave: SpotWave | None = None
    outage: Outage | None = None
