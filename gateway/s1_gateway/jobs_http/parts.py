"""A part of a file: players seek, and broken downloads go on, by the header ``Range``."""

import re
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers

_ONE_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@dataclass(frozen=True)
class Part:
    """Bytes of a file.

    Args:
        start: The first.
        stop: Behind the last.
    """

    start: int
    stop: int

    @property
    def is_empty(self) -> bool:
        """Whether the file has none of what was asked for."""
        return self.start >= self.stop


def part_asked_for(headers: Headers, num_bytes: int, tag: str) -> Part | None:
    """Read which part is asked for (RFC 9110, 14.2).

    Args:
        headers: Of the request.
        num_bytes: Size of the file.
        tag: Its ``ETag``; a part of another file is not what the caller wants.

    Returns:
        None: the whole file, which is also right for what cannot be read and for several parts at once.
    """
    asked = _ONE_RANGE.fullmatch(headers.get("range", "").strip())
    if asked is None or headers.get("if-range", tag) != tag:
        return None
    first, last = asked.groups()
    if first:
        if last and int(last) < int(first):
            return None
        return Part(int(first), min(int(last) + 1, num_bytes) if last else num_bytes)
    if last:
        return Part(max(0, num_bytes - int(last)), num_bytes)
    return None
