"""Files of texts for ``s1-tts batch``."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from s1_client.errors import S1ClientError

_COLUMNS = ("text", "id", "voice")
_DELIMITERS = ",;\t"


class BatchFileError(S1ClientError):
    """The file of texts cannot be used; the message says where it is wrong."""


@dataclass(frozen=True)
class Item:
    """One text of a batch.

    Args:
        name: Name of its audio file, without ending.
        text: What to say.
        voice: Id of a stored voice, if it has one of its own.
    """

    name: str
    text: str
    voice: str | None = None


def read_items(path: Path) -> list[Item]:
    """Read a text file with a text a line, or a CSV file with the columns ``text`` and, if wanted, ``id``, ``voice``.

    Columns may be parted by commas, semicolons or tabs, whichever the first line shows; UTF-16 is read where the file
    begins with its mark.

    Raises:
        BatchFileError: it is neither UTF-8 nor UTF-16, has no column ``text`` or no text, a row does not fit the first
            line, an id is no file name or comes twice.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
        if "\0" in text:
            raise BatchFileError(f"{path}: holds NUL characters; it is no text in UTF-8, or UTF-16 without its mark")
        lines = io.StringIO(text, newline="")
        items = list(_csv_items(lines) if path.suffix.lower() in {".csv", ".tsv"} else _line_items(lines))
    except UnicodeDecodeError as error:
        raise BatchFileError(f"{path}: is not UTF-8 ({error})") from error
    except csv.Error as error:
        raise BatchFileError(f"{path}: {error}") from error
    if not items:
        raise BatchFileError(f"{path}: has no text")
    for name, count in Counter(item.name for item in items).items():
        if count > 1:
            raise BatchFileError(f"{path}: the id {name!r} comes twice")
        if Path(name).name != name or "\0" in name:
            raise BatchFileError(f"{path}: the id {name!r} is no file name")
    return items


def _line_items(lines: io.StringIO) -> Iterator[Item]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield Item(f"{number:04}", line.strip())


def _csv_items(lines: io.StringIO) -> Iterator[Item]:
    delimiter = max(_DELIMITERS, key=lines.readline().count)
    lines.seek(0)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    header = [name.strip().lower() for name in next(rows, [])]
    if "text" not in header:
        raise csv.Error("has no column 'text' in its first line")
    unknown = [name for name in header if name not in _COLUMNS]
    if unknown or len(set(header)) < len(header):
        raise csv.Error(f"its first line is {', '.join(header)}; allowed: text, and perhaps id and voice, each once")
    for number, cells in enumerate(filter(None, rows), 1):
        if len(cells) != len(header):
            raise csv.Error(
                f"row {number} (line {rows.line_num}) has {len(cells)} columns beside {len(header)} in the first line; "
                'a text with a comma in it stands in "quotes"'
            )
        row = dict(zip(header, cells, strict=True))
        if row["text"].strip():
            yield Item(
                row.get("id", "").strip() or f"{number:04}", row["text"].strip(), row.get("voice", "").strip() or None
            )
        elif any(cell.strip() for cell in cells):
            raise csv.Error(f"row {number} (line {rows.line_num}) has no text")
