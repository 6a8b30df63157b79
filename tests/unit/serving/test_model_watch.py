"""The watch tells which process is lost; the processes are real ones with the name of Triton's."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from s1_tts.serving.model_watch import LATE_S, SILENT_S, STOPPED_S, ModelWatch

MODEL = "/models/s1_llama/1/model.py"
STUB = """
import sys, time
time.sleep(600)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose child looks like a model's."""
    stub = tmp_path / "triton_python_backend_stub"
    os.symlink(sys.executable, stub)
    code = f"""
        import subprocess
        command = [{str(stub)!r}, "-c", {STUB!r}, {MODEL!r}]
        subprocess.Popen(command).wait()
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], start_new_session=True)
    while not has_model(process):
        assert process.poll() is None
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def has_model(server: subprocess.Popen[bytes]) -> bool:
    return any(child.cmdline()[-1:] == [MODEL] for child in psutil.Process(server.pid).children())


def model_of(server: subprocess.Popen[bytes]) -> psutil.Process:
    return psutil.Process(server.pid).children()[0]


def looks(watch: ModelWatch, begin_s: float, end_s: float) -> str | None:
    """Look every so often on a clock of its own; gives what was told last."""
    now_s, told = begin_s, None
    while now_s < end_s and told is None:
        now_s += LATE_S / 2
        told = watch.look(now_s)
    return told


def test_all_is_well(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    watch = ModelWatch(server.pid, tmp_path, 0.0)
    assert watch.num_models == 1
    assert looks(watch, 0.0, 100.0) is None


def test_a_model_that_is_dead(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    watch = ModelWatch(server.pid, tmp_path, 0.0)
    model_of(server).kill()
    server.wait()  # it waits for its child only
    assert watch.look(0.1) in ("the process of s1_llama is dead", "tritonserver is dead")  # whichever is first


def test_a_process_that_is_stopped(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    watch = ModelWatch(server.pid, tmp_path, 0.0)
    model_of(server).suspend()
    while model_of(server).status() != psutil.STATUS_STOPPED:
        pass
    assert looks(watch, 0.0, STOPPED_S - LATE_S) is None
    told = looks(watch, STOPPED_S - LATE_S, STOPPED_S + LATE_S)
    assert told is not None
    assert told.startswith("the process of s1_llama has been stopped for 1")


def test_a_model_that_gives_no_sign(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    sign = tmp_path / str(model_of(server).pid)
    sign.touch()
    watch = ModelWatch(server.pid, tmp_path, 0.0)
    assert looks(watch, 0.0, SILENT_S - LATE_S) is None
    os.utime(sign, ns=(1, 1))
    assert looks(watch, SILENT_S - LATE_S, 2 * SILENT_S - 2 * LATE_S) is None
    told = looks(watch, 2 * SILENT_S - 2 * LATE_S, 3 * SILENT_S)
    assert told is not None
    assert told.startswith("the process of s1_llama has given no sign of life for 1")


def test_a_model_that_tells_what_is_wrong_with_it(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    sign = tmp_path / str(model_of(server).pid)
    sign.touch()
    watch = ModelWatch(server.pid, tmp_path, 0.0)
    assert watch.look(0.1) is None
    sign.write_text("a round of the engine takes 1.2 s")
    assert watch.look(0.2) == "the process of s1_llama tells: a round of the engine takes 1.2 s"


def test_a_machine_that_stood_still_is_nobodys_fault(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    (tmp_path / str(model_of(server).pid)).touch()
    watch = ModelWatch(server.pid, tmp_path, 0.0)
    assert watch.look(0.2) is None
    assert watch.look(3600.0) is None
