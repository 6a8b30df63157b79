"""Tables in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of finished words and figures.

    Args:
        title: What it shows.
        columns: Headings.
        rows: Cells, as many in each row as there are headings.
        note: What a reader has to know about the figures.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""

    def to_markdown(self) -> str:
        """A heading, the note and the table."""
        return "\n\n".join(part for part in (f"### {self.title}", self.note, self.lines()) if part)

    def lines(self) -> str:
        """The table alone."""
        rows = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def figure(value: float | None, digits: int = 0, unit: str = "") -> str:
    """A number with so many digits after the point, or a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}{unit}".replace(",", "\u202f")
