"""Records: one JSON line for each measurement, with the conditions it was taken under."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from perf.conditions import ROOT, Conditions
from perf.errors import MeasurementError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RESULTS = ROOT / "perf" / "results"
SUFFIX = ".jsonl"

F = TypeVar("F")


class RecordError(MeasurementError):
    """A file does not hold the records that are wanted of it."""


@dataclass(frozen=True)
class Record:
    """One line of a file of records.

    Args:
        measurement: The command that made it, without its options: ``lm``.
        subject: What was measured: the checkpoint, and what else tells records of one command apart.
        conditions: Where and with what.
        figures: What was found, named as the measurement's dataclass names it.
    """

    measurement: str
    subject: str
    conditions: Conditions
    figures: dict[str, Any]

    def figures_as(self, kind: type[F]) -> F:
        """The figures as the measurement's dataclass.

        Raises:
            RecordError: they are not of that kind.
        """
        try:
            return TypeAdapter(kind).validate_python(self.figures)
        except ValidationError as error:
            raise RecordError(f"a record of {self.measurement} has no {kind.__name__}: {error}") from error


_RECORD = TypeAdapter(Record)


@dataclass(frozen=True)
class Recorder:
    """Prints figures and appends them to a file of records.

    Args:
        measurement: Name of the command.
        conditions: Where and with what it measures.
        folder: Where its file is, ``<measurement>.jsonl``.
    """

    measurement: str
    conditions: Conditions
    folder: Path

    @classmethod
    def to(cls, folder: Path | None, measurement: str, conditions: Conditions) -> Self:
        """A recorder into a folder; none: ``perf/results/<date>-<machine>``."""
        return cls(measurement, conditions, folder or RESULTS / f"{conditions.date}-{conditions.machine}")

    @property
    def file(self) -> Path:
        """The file of records."""
        return self.folder / f"{self.measurement}{SUFFIX}"

    def record(self, subject: str, figures: "DataclassInstance") -> Record:
        """Append a record, and return it."""
        made = Record(self.measurement, subject, self.conditions, asdict(figures))
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as target:
            target.write(json.dumps(asdict(made)) + "\n")
        return made

    def print_and_record(self, subject: str, figures: "DataclassInstance") -> None:
        """Append a record and print its figures line by line."""
        shown = {"subject": subject} | self.record(subject, figures).figures
        width = max(map(len, shown))
        for name, value in shown.items():
            print(f"{name:>{width}}  {value:.3f}" if isinstance(value, float) else f"{name:>{width}}  {value}")
        print(f"recorded in {self.file}")


def read_records(files: Iterable[Path]) -> list[Record]:
    """All records of some files and folders, in the order of their names and lines.

    Raises:
        RecordError: a line is no record; the message names it.
    """
    records = []
    for file in sorted(each for path in files for each in ([path] if path.is_file() else path.rglob(f"*{SUFFIX}"))):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                records.append(_RECORD.validate_json(line))
            except ValidationError as error:
                raise RecordError(f"{file}:{number} is no record: {error}") from error
    return records
