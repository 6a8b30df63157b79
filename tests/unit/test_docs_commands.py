"""Every command of the documentation can be read, and names what is there; tests/triton/test_docs.py runs them."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.doc_commands import fault_of, is_ours, simple_commands
from tests.doc_pages import NEEDS, PAGES, Block, blocks_of, mentions_of

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SHELL = [block for block in BLOCKS if block.language == "sh"]


def test_there_are_blocks_on_the_pages() -> None:
    assert len(SHELL) > 10
    assert {block.language for block in BLOCKS} <= {"sh", "python", "json", "text"}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_what_a_block_needs_is_one_of_a_few_things(block: Block) -> None:
    assert block.needs <= NEEDS
    comments = re.findall(r"^# *needs.*$", block.text, flags=re.MULTILINE | re.IGNORECASE)
    assert bool(comments) == bool(block.needs), "a marker stands in the first lines"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_can_be_read(block: Block) -> None:
    if block.language == "python":
        compile(block.text, str(block), "exec")
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "sh":
        read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_what_a_block_names_is_there(block: Block) -> None:
    assert [fault for command in simple_commands(block.text) if (fault := fault_of(command))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_commands_in_sentences_name_is_there(page: Path) -> None:
    assert [fault for words in commands_mentioned(page) if (fault := fault_of(words))] == []


def commands_mentioned(page: Path) -> list[list[str]]:
    """Commands of ours in a page's sentences. Names of other tools there are just words."""
    found = []
    for mention in mentions_of(page):
        try:
            found += [words for words in simple_commands(mention) if is_ours(words)]
        except ValueError:  # a quotation mark alone: no command
            continue
    return found


def test_a_mistake_is_found() -> None:
    assert fault_of(["make", "dmeo"]) == "make has no dmeo"
    assert fault_of([".venv/bin/python", "scripts/speak.py"]) == "there is no scripts/speak.py"
    assert fault_of([".venv/bin/python", "-m", "perf", "lms"]) == "python -m perf has no lms"
    assert fault_of(["python", "-m", "perf", "lm", "--chekpoint"]) == "lm has no --chekpoint"
    assert fault_of(["s1-tts", "say", "--lowd"]) == "say has no --lowd"
    assert fault_of(["pip", "install", ".[clinet]"]) == "there is no extra clinet"
    assert fault_of(["s1-tss", "say"]) == "s1-tss is neither ours nor known"


def test_shell_is_taken_apart() -> None:
    text = "A=1 sudo make demo  # it's here\necho 'a\nb' | s1-tts say - \\\n  -o - > x.pcm && n=$(sed -n 1p < x.pcm)\n"
    assert list(simple_commands(text)) == [
        ["make", "demo"],
        ["echo", "a\nb"],
        ["s1-tts", "say", "-", "-o", "-"],
        ["sed", "-n", "1p"],
    ]
