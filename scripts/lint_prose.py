"""Lint the sentences of README.md, CONTRIBUTING.md, CHANGELOG.md and docs/.

    .venv/bin/python -m scripts.lint_prose [PAGE ...]

proselint finds cliches and padding. Four rules are ours: a sentence has at most 36 words, so that it is read once; it
uses the field's words; it states the present, since commits keep the past; no word comes twice in a row. Code and
tables are not prose.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from proselint.checks import __register__
from proselint.config import DEFAULT, Config
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = (*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").glob("*.md")))

MAX_WORDS = 36

UNWANTED = {
    r"r[au]ns? dry|running dry": "underrun",
    r"whoever|whatever (?:it|they|is|are|was|were)": "name it: the caller, any, each",
    r"(?:is|are|was|were|be|been|gets?) told": "gets, returns, reports, knows",
    r"tells? (?:of|whether|that|which|how|what|why|when|where)": "says, reports, returns",
    r"fares?|fared|luck": "say what is measured",
    r"no longer|any ?more|used to|formerly|previously|up to now|so far|in the past": "state the present",
    r"this page said|before this change|since then|at that time": "commits keep the past",
    r"of theirs|of ours|of his|of yours|of its own accord": "your, our, its",
    r"(?:crash|segfault)\w* (?:on|at|by|for|from|if|in|under|when|while|with)": "what crashed, not what makes it",
}
"""Words that the field does not use, by pattern, and what to write."""

OFF = {
    "typography": False,  # straight quotes and three dots are what a terminal takes
    "annotations": False,  # no TODO lands
    "restricted": False,
    "terms": False,  # names of models and systems are spelled as their makers do
    "spelling": False,  # British spelling, of which proselint knows one
    "dates_times": False,  # ISO 8601
    "psychology": False,
    "social_awareness": False,
    "lexical_illusions": False,  # blanked code joins words; our own rule finds repeated ones
}
"""proselint's checks that do not suit a manual, and why."""

_NOT_PROSE = (
    re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"^ *\|.*$", re.MULTILINE),
    re.compile(r"`[^`\n]*(?:\n[^`\n]*)?`"),
    re.compile(r"(?<=\])\([^)\s]*\)"),
    re.compile(r"https?://\S+"),
)
_SENTENCE = re.compile(r"(?:[^.!?:;]|[.!?:;](?!\s|$))+")
_ITEM = r"\s*(?:[-*]|\d+\.) "
_PARAGRAPH = re.compile(rf"^(?!\s*$|#).*\n?(?:^(?!\s*$|#|{_ITEM}).*\n?)*", re.MULTILINE)
_REPEATED = re.compile(r"\b([a-z]{2,})\s+\1\b")


class Finding(NamedTuple):
    """Something to write in another way."""

    page: Path
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.rule}: {self.message}"


def prose_of(text: str) -> str:
    """The page with all that is no prose blanked, of the same length and lines."""
    for pattern in _NOT_PROSE:
        text = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return text


def findings(page: Path) -> Iterator[Finding]:
    """All findings of a page."""
    prose = prose_of(page.read_text(encoding="utf-8"))

    def found(position: int, rule: str, message: str) -> Finding:
        return Finding(page, prose.count("\n", 0, position) + 1, rule, message)

    for pattern, instead in UNWANTED.items():
        for match in re.finditer(rf"\b(?:{pattern})\b", prose, re.IGNORECASE):
            yield found(match.start(), "words", f"{match[0]!r}; write: {instead}")
    for match in _REPEATED.finditer(prose):
        yield found(match.start(), "repeated", repr(match[0]))
    for paragraph in _PARAGRAPH.finditer(prose):
        for sentence in _SENTENCE.finditer(paragraph[0]):
            if (count := len(re.findall(r"\w[\w'-]*", sentence[0]))) > MAX_WORDS:
                first = " ".join(sentence[0].split()[:6])
                start = sentence.end() - len(sentence[0].lstrip())
                yield found(paragraph.start() + start, "length", f"{count} words: {first} ...")
    checks = Config(max_errors=1000, checks={**DEFAULT["checks"], **OFF})
    for result in LintFile(page.name, prose).lint(checks):
        yield Finding(page, result.pos[0], result.check_result.check_path, result.check_result.message)


def check_all(pages: Sequence[Path]) -> list[Finding]:
    """All findings of some pages."""
    CheckRegistry().register_many(__register__)
    return [finding for page in pages for finding in findings(page)]


def main(pages: Sequence[str]) -> int:
    """Print the findings; returns 1 if there are any."""
    found = check_all([Path(page).resolve() for page in pages] or [page for page in PAGES if page.exists()])
    for finding in found:
        print(finding)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
