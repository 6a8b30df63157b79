"""The launcher raises the limit of open files, and looks whether tensors have room."""

import resource
import subprocess
import sys
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


@pytest.mark.parametrize(
    ("kind", "limit", "told"),
    [
        (resource.RLIMIT_NOFILE, 64, "allows 64 open files; needed: at least 256: ulimit -n"),
        (resource.RLIMIT_NPROC, 100, "allows 100 threads and processes; needed: at least 640: ulimit -u"),
        (resource.RLIMIT_AS, 2 * 10**9, "allows 2 GB of addresses; needed: at least 8: ulimit -v unlimited"),
    ],
)
def test_a_limit_with_which_no_server_runs_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: int, limit: int, told: str
) -> None:
    limits = {kind: (limit, limit)}
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda asked: limits.get(asked, unlimited))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SettingsError, match=told):
        machine.prepare_machine()


def test_a_control_group_that_allows_few_processes_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "PIDS_LIMIT", tmp_path / "pids.max")
    (tmp_path / "pids.max").write_text("max\n")
    assert machine.prepare_machine() == []
    (tmp_path / "pids.max").write_text("200\n")
    with pytest.raises(SettingsError, match="allows 200 threads"):
        machine.prepare_machine()


def test_a_start_with_few_open_files_ends_with_one_line(tmp_path: Path) -> None:
    """It used to write tens of megabytes."""
    script = Path(__file__).resolve().parents[3] / "scripts" / "serve.py"
    ended = subprocess.run(
        ["bash", "-c", 'ulimit -n 64 && exec "$@"', "bash", sys.executable, script, "--checkpoint", tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the machine allows 64 open files; needed: at least 256")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(("free_mb", "told"), [(2000, None), (64, "64 MB free; 1500 are enough")])
def test_little_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch, free_mb: int, told: str | None) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, free_mb * 10**6))
    warning = machine.check_shared_memory()
    assert warning is None if told is None else told in str(warning)


def test_far_too_little_shared_memory_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, 10 * 10**6))
    with pytest.raises(SettingsError, match="10 MB free; needed: at least 48: docker run --shm-size=1536m"):
        machine.check_shared_memory()
    monkeypatch.undo()
    with pytest.raises(SettingsError, match="cannot be used"):
        machine.check_shared_memory(tmp_path / "missing")
