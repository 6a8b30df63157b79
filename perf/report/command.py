"""One page of all records of a folder: conditions, tables, pictures.

    python -m perf report [FOLDER]        writes report.md and its pictures there

Of several records of one subject, the last one counts. The folder is the newest of ``perf/results`` if none is given.
"""

import argparse
from pathlib import Path

from perf.conditions import Conditions
from perf.errors import MeasurementError
from perf.measurement import folder
from perf.records import RESULTS, Record, read_records
from perf.report.sections import section_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", type=folder, nargs="?", metavar="FOLDER", help="folder with records")


def run(arguments: argparse.Namespace) -> None:
    """Write the page.

    Raises:
        MeasurementError: there are no records.
    """
    chosen: Path = arguments.folder or max(path for path in RESULTS.iterdir() if path.is_dir())
    records = {(record.measurement, record.subject): record for record in read_records([chosen])}
    if not records:
        raise MeasurementError(f"{chosen} holds no records; allowed: a folder with .jsonl files of python -m perf")
    page = chosen / "report.md"
    parts = [f"# {chosen.name}", *(_part(record, chosen) for record in records.values())]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"written: {page}")


def _part(record: Record, folder: Path) -> str:
    section = section_of(record, folder)
    parts = [f"## {record.measurement}: {record.subject}", conditions_in_words(record.conditions), section.note]
    parts += [table.to_markdown() for table in section.tables]
    parts += [f"![{picture.stem}]({picture.name})" for picture in section.pictures]
    return "\n\n".join(part for part in parts if part)


def conditions_in_words(conditions: Conditions) -> str:
    """Where and with what a record was measured, as a list."""
    device = "" if conditions.device == "cpu" else f"{conditions.device}, "
    memory = "" if conditions.memory_gb is None else f", {conditions.memory_gb:g} GB"
    threads = "" if conditions.threads is None else f", {conditions.threads} threads of torch"
    load = "" if conditions.load_average is None else f", load average then {conditions.load_average:g}"
    dirty = "; **the tree had uncommitted changes**" if conditions.commit.endswith("-dirty") else ""
    versions = ", ".join(f"{name} {version}" for name, version in conditions.versions.items())
    rows = [
        f"- {device}{conditions.processor}, {conditions.cores} cores{memory}{threads}",
        f"- {versions or 'versions not recorded'}",
        f"- commit {conditions.commit}{dirty}",
        f"- `{conditions.command}`, {conditions.started}{load}",
    ]
    if conditions.environment:
        rows.append(f"- environment: {', '.join(f'{key}={value}' for key, value in conditions.environment.items())}")
    return "\n".join(rows)
