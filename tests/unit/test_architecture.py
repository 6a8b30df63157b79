"""docs/architecture.md names files that exist, every thread that is started, and every package and room."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doc_pages import ROOT, mentions_of, tables_under

PAGE = ROOT / "docs" / "architecture.md"
THREADS = {"Thread": "name", "Ticker": 0, "ThreadPoolExecutor": 1, "TaskLoop": 0, "threads": 0}
"""What starts threads, and which argument names them."""

PATH = re.compile(r"\.?[\w.-]+(/[\w.-]+)*/?")
ENGINE = ROOT / "src" / "s1_tts"
CODE = [file for folder in ("src", "client/s1_client", "gateway/s1_gateway") for file in (ROOT / folder).rglob("*.py")]


def paths() -> set[str]:
    """What the page names as a file or a folder, but for names that hold in many folders."""
    named = {mention for mention in mentions_of(PAGE) if PATH.fullmatch(mention)}
    is_path = re.compile(r".*/.*|.*\.(py|toml|triton)|\..*")
    return {each for each in named if is_path.fullmatch(each)} - {"model.py"}


def threads_of(file: Path) -> Iterator[str]:
    """Names of the threads that a file starts, but for those it gets a name for."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in THREADS:
            continue
        place = THREADS[called]
        if isinstance(place, int):
            given = node.args[place] if len(node.args) > place else None
        else:
            given = next((keyword.value for keyword in node.keywords if keyword.arg == place), None)
        assert given is not None, f"{file}:{node.lineno} starts a thread without a name"
        if isinstance(given, ast.Constant):
            yield str(given.value)


def rooms() -> list[str]:
    """Rooms of the engine that hold code."""
    return sorted(init.parent.name for init in ENGINE.glob("*/__init__.py"))


def test_every_file_is_there() -> None:
    named = paths()
    assert len(named) > 60
    assert [each for each in sorted(named) if not (ROOT / each).exists() and not (ENGINE / each).exists()] == []


def test_every_thread_is_listed_and_no_other() -> None:
    (table,) = tables_under(PAGE, "Threads")
    listed = [re.findall(r"`([^`]+)`", row[0])[0] for row in table]
    started = {name for file in CODE for name in threads_of(file)}
    assert sorted(listed) == sorted(started)


@pytest.mark.parametrize("room", rooms())
def test_every_room_of_the_engine_is_in_the_picture(room: str) -> None:
    assert f" {room}/ " in PAGE.read_text(encoding="utf-8")


def test_every_package_is_in_the_picture() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    picture = PAGE.read_text(encoding="utf-8").partition("```text")[2].partition("```")[0]
    for package in config["importlinter"]["root_packages"].split():
        assert package.replace(".", "/") in picture, package


def test_the_protocol_stands_on_little() -> None:
    """It is installed with every client, and with a gateway that has no torch."""
    allowed = {*sys.stdlib_module_names, "s1_protocol", "numpy", "regex", "sentencex"}
    imported = {
        module.partition(".")[0]
        for file in (ROOT / "src" / "s1_protocol").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for module in imported_by(node)
    }
    assert {"regex", "sentencex"} <= imported
    assert imported <= allowed, imported - allowed


def imported_by(node: ast.AST) -> list[str]:
    """Modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) else []
