"""Tables that can be printed and put on a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table as RichTable


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
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        return "\n\n".join(part for part in (f"### {self.title}", self.note, table) if part)

    def to_rich(self) -> RichTable:
        """The same for a terminal."""
        table = RichTable(title=self.title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
        for index, column in enumerate(self.columns):
            table.add_column(column, justify="right" if index else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table


def figure(value: float | None, digits: int = 0, unit: str = "") -> str:
    """A number with so many digits after the point, or a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}{unit}".replace(",", "\u202f")
