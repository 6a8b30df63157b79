"""The pages of documentation taken apart: tables, blocks of commands, mentions of commands, links.

A block is run by the tests unless its first lines are comments that say why not: ``# needs AWS and Docker``, or
``# takes half an hour``. There is no other way out.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
NEEDS = frozenset(
    {
        "AWS",
        "Docker",
        "Redis",
        "a GPU",
        "a cluster",
        "the weights",
        "root",
        "the internet",
        "a loudspeaker",
        "a webhook",
        "perf_analyzer",
    }
)

_FENCED = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"^# (?P<kind>needs|takes):? (?P<what>[^;(,:]+)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def needs(self) -> frozenset[str]:
        """What it says that it needs, beyond a server."""
        return frozenset(need for what in self._marked("needs") for need in what.split(" and "))

    @property
    def is_marked(self) -> bool:
        """Whether it says why the tests do not run it."""
        return bool(self.needs or self._marked("takes"))

    def _marked(self, kind: str) -> list[str]:
        found = []
        for line in self.text.splitlines():
            marker = _MARKER.match(line)
            if marker is None:
                break
            if marker["kind"] == kind:
                found.append(marker["what"].strip())
        return found


def blocks_of(page: Path) -> list[Block]:
    """Fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["language"], textwrap.dedent(found["text"]))
        for found in _FENCED.finditer(text)
    ]


def prose_of(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def mentions_of(page: Path) -> list[str]:
    """What stands between backticks in a page's prose."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose_of(page))]


def links_of(page: Path) -> list[str]:
    """Targets of a page's links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose_of(page))


def anchors_of(page: Path) -> set[str]:
    """What a link to a heading of a page may name, as GitHub makes it of the heading."""
    headings = re.findall(r"^#+ (.*)$", prose_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tables_under(page: Path, heading: str) -> list[list[tuple[str, ...]]]:
    """Tables between a heading and the next one, each as rows of cells without the header."""
    section = re.split(r"^#+ ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [part for part in section if part.partition("\n")[0] == heading]
    tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    return [[_cells(row) for row in table.splitlines()[2:]] for table in tables]


def _cells(row: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in row.strip("|").split("|"))
