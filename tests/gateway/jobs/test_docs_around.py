"""The pages' commands and programs that make jobs, run against a gateway with a worker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tests.doc_pages import ROOT, Block, blocks_of
from tests.gateway.jobs.conftest import Place

PAGE = ROOT / "docs" / "jobs.md"
SECTIONS = ("From the command line", "From Python")


def blocks_under(page: Path, heading: str) -> Iterator[Block]:
    lines = page.read_text(encoding="utf-8").splitlines()
    begin = lines.index(f"## {heading}")
    ends = [number for number, line in enumerate(lines) if number > begin and line.startswith("## ")]
    yield from (block for block in blocks_of(page) if begin < block.line <= ends[0])


BLOCKS = [block for heading in SECTIONS for block in blocks_under(PAGE, heading)]


@pytest.fixture(scope="module")
def place(shared_place: Place) -> Place:
    shared_place.start_worker()
    return shared_place


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_examples_do_what_they_say(block: Block, place: Place, tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("id,text,voice\na,One.,\nb,Two.,alloy\n", encoding="utf-8")
    text = block.text.replace("127.0.0.1:8080", place.gateway.address)
    program = ["bash", "-euo", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-c"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*program, text],
        cwd=tmp_path,
        env=environment | {"S1_GATEWAY": place.gateway.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{block}: {done.stdout}\n{done.stderr}"
    made = [path for path in tmp_path.rglob("*") if path.suffix in (".mp3", ".flac", ".opus")]
    assert len(made) == (3 if block.language == "sh" else 1)
    assert all(soundfile.info(path).duration > 0.1 for path in made)


def test_both_sections_have_examples() -> None:
    assert [block.language for block in BLOCKS] == ["sh", "python"]
