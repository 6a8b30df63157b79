"""Which tests stay together when pytest-xdist runs them side by side (``--dist loadgroup``), and which begin first."""

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

SHARED_SERVER = "the server that most tests of tests/triton share"
"""One worker runs all of them, so that the server is started once."""

LONG_FOLDERS = ("rollout", "triton", "gateway")
"""What takes longest begins first, so that no worker is left with it at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, and those that share a server; a test may name a group of its own."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_group_of(item)))
    items.sort(key=_place_of)


def _group_of(item: pytest.Item) -> str:
    path = item.path.relative_to(HERE)
    if path.parts[0] == "triton" and "server" in getattr(item, "fixturenames", ()):
        return SHARED_SERVER
    return path.as_posix()


def _place_of(item: pytest.Item) -> int:
    folder = item.path.relative_to(HERE).parts[0]
    return LONG_FOLDERS.index(folder) if folder in LONG_FOLDERS else len(LONG_FOLDERS)
