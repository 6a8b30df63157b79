"""The pages of the gateway: each example does what it says, through a gateway that runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from s1_gateway.auth import Tokens
from s1_gateway.settings import PREFIX, Settings
from tests.doc_pages import ROOT, Block, blocks_of
from tests.gateway.hearing import assert_said, hear_file
from tests.gateway.running import RunningGateway

PAGE = ROOT / "docs" / "gateway.md"
PAGES = (PAGE, ROOT / "docs" / "moving_from_fish.md")
RUN_ELSEWHERE = {"make up": "tests/gateway/test_real.py"}
BLOCKS = [
    block
    for page in PAGES
    for block in blocks_of(page)
    if block.language in ("sh", "python") and not block.is_marked and not block.text.startswith(tuple(RUN_ELSEWHERE))
]
SPOKEN = "Hello there, this is the gateway."


def run(block: Block, gateway: RunningGateway, folder: Path) -> None:
    text = block.text.replace("127.0.0.1:8080", gateway.address)
    program = ["bash", "-euo", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-c"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [*program, text]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{block}: {done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_examples_do_what_they_say(block: Block, gateway: RunningGateway, tmp_path: Path) -> None:
    run(block, gateway, tmp_path)
    made = list(tmp_path.iterdir())
    assert made
    for path in made:
        if path.suffix in (".wav", ".mp3"):
            assert_said(hear_file(path.read_bytes()), SPOKEN, within_s=0.15)
        else:
            tokens = Tokens.load(Settings.load({}, tokens_file=path))
            assert tokens.requires_one


def test_there_is_an_example_for_each_client() -> None:
    headings = re.findall(r"^### (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {
        "OpenAI's SDK",
        "curl",
        "Pipecat",
        "LiveKit",
        "Fish Audio's SDK",
        "Pipecat with Fish and Cartesia",
        "LiveKit with Fish and Cartesia",
        "Cartesia's SDK",
        "Our own WebSocket",
    } <= set(headings)
    assert len(BLOCKS) >= len(headings)


def test_what_is_run_elsewhere_is() -> None:
    for command, where in RUN_ELSEWHERE.items():
        assert command in (ROOT / where).read_text(encoding="utf-8")


def test_settings_that_the_page_names_exist() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", PAGE.read_text(encoding="utf-8"))) <= known


def test_the_line_of_a_token_can_be_read() -> None:
    (line,) = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    assert Tokens.load(Settings.load({}, tokens=line)).requires_one
