"""The prose linter sees what it should, and nothing else."""

import re
from pathlib import Path

import pytest
from scripts.lint_prose import MAX_WORDS, ROOT, UNWANTED, Finding, check_all, findings, prose_of

MAX_WORDS_OF_FIGURES = 900


@pytest.fixture(scope="module", autouse=True)
def checks() -> None:
    check_all([])


def of(tmp_path: Path, text: str) -> list[Finding]:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    return list(findings(page))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("The listener runs dry.", "words"),
        ("It is no longer there.", "words"),
        ("The server crashes on such a thing.", "words"),
        ("It is is there.", "repeated"),
        (f"{'one two ' * (MAX_WORDS // 2 + 1)}.", "length"),
        ("It works irregardless.", "nonwords"),
    ],
)
def test_what_is_found(tmp_path: Path, text: str, rule: str) -> None:
    (found,) = of(tmp_path, f"# Title\n\nA sentence.\n{text}\n")
    assert (found.line, found.rule.split(".")[0]) == (4, rule)


def test_no_source_says_what_crashes_others() -> None:
    """In comments as in the manual: of other people's software what crashed, and not what makes it."""
    crashes = next(re.compile(words) for words in UNWANTED if "crash" in words)
    folders = ("client", "deploy", "findings", "gateway", "perf", "scripts", "src", "tests", "training")
    sources = [path for name in folders for path in (ROOT / name).rglob("*") if path.suffix in {".py", ".sh", ".yaml"}]
    assert len(sources) > 500
    said = [path for path in sources if path != Path(__file__) and crashes.search(path.read_text(encoding="utf-8"))]
    assert said == []


def test_code_tables_and_links_are_no_prose(tmp_path: Path) -> None:
    text = "```sh\nwhoever whoever\n```\n\n| whoever |\n|---|\n\n`whoever` and [a page](whoever.md).\n"
    assert of(tmp_path, text) == []
    assert len(prose_of(text)) == len(text)


def test_items_of_a_list_are_sentences_of_their_own(tmp_path: Path) -> None:
    assert of(tmp_path, "".join(f"- {'one two ' * 10}\n" for _ in range(4))) == []


def test_the_page_of_figures_is_read_in_a_few_minutes() -> None:
    """Its tables and commands included."""
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert sum(any(map(str.isalnum, word)) for word in page.split()) <= MAX_WORDS_OF_FIGURES
