"""Write the tables of docs/ that are made of the committed records.

    python -m perf docs [--check]

A region of a page begins with ``<!-- made by make docs: NAME -->`` and ends with ``<!-- end -->``.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from perf.conditions import ROOT
from perf.errors import MeasurementError
from perf.report.docs_tables import TABLES

REGION = re.compile(r"(?P<begin><!-- made by make docs: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def changed_pages() -> Iterator[tuple[Path, str]]:
    """Pages whose tables are not those of the records, and what they should be."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        made = REGION.sub(remade, text)
        if made != text:
            yield page, made


def remade(region: re.Match[str]) -> str:
    """A region with its table; a region that is not made of records as it is."""
    make = TABLES.get(region["name"])
    return f"{region['begin']}\n{make().lines()}\n\n{region['end']}" if make else region[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page would change")


def run(arguments: argparse.Namespace) -> None:
    """Write the pages.

    Raises:
        MeasurementError: with ``--check``, a page is stale.
    """
    changed = list(changed_pages())
    if arguments.check and changed:
        raise MeasurementError(f"{', '.join(page.name for page, _ in changed)}: stale; run make docs")
    for page, text in changed:
        page.write_text(text, encoding="utf-8")
        print(f"{page.name}: written")
