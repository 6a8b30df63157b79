"""The launcher raises the limit of open files, and looks whether tensors have room."""

import resource
from collections import namedtuple
from pathlib import Path

import pytest

from s1_protocol.errors import SettingsError
from s1_tts.serving import machine

Usage = namedtuple("Usage", "total used free")


def test_as_many_files_are_open_as_the_machine_allows() -> None:
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        assert machine.raise_open_files() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("free_mb", "told"), [(2000, None), (64, "64 MB free; 512 are enough")])
def test_little_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch, free_mb: int, told: str | None) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, free_mb * 10**6))
    warning = machine.check_shared_memory()
    assert warning is None if told is None else told in str(warning)


def test_far_too_little_shared_memory_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, 10 * 10**6))
    with pytest.raises(SettingsError, match="10 MB free; needed: at least 48: docker run --shm-size=1g"):
        machine.check_shared_memory()
    monkeypatch.undo()
    with pytest.raises(SettingsError, match="cannot be used"):
        machine.check_shared_memory(Path("/nowhere"))
