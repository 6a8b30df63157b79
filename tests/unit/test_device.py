"""How many threads a model takes: half of the cores, or all where waits are short."""

import os
import subprocess
import sys

import pytest

from s1_tts.device import MOST_CORES_OF_ALL, shared_threads
from s1_tts.short_waits import SHORT_WAITS, waits_are_short


@pytest.fixture(autouse=True)
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("cores", "half", "shared"), [(1, 1, 1), (2, 1, 2), (4, 2, 4), (8, 4, 8), (64, 32, 32)])
def test_the_language_model_takes_all_cores_of_a_small_machine_where_waits_are_short(
    monkeypatch: pytest.MonkeyPatch, cores: int, half: int, shared: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert (shared_threads(0), shared_threads(3)) == (half, 3)
    for name, value in SHORT_WAITS.items():
        monkeypatch.setenv(name, value)
    assert (shared_threads(0), shared_threads(3)) == (shared, 3)
    assert shared <= max(half, MOST_CORES_OF_ALL)


def test_a_passive_policy_is_a_short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not waits_are_short()
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert waits_are_short()


def test_torchs_openmp_takes_the_choice_and_compiled_layers_share_it() -> None:
    script = "import torch; from s1_tts.native.compiler import load_library\n"
    script += "from s1_tts.lm.native.installation import PROGRAM\n"
    script += "load_library(PROGRAM); print({l.split()[-1] for l in open('/proc/self/maps') if 'libgomp' in l})"
    environment = {**os.environ, **SHORT_WAITS, "OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert f"GOMP_SPINCOUNT = '{SHORT_WAITS['GOMP_SPINCOUNT']}'" in done.stderr
    assert done.stdout.count("libgomp") == 1, "a second OpenMP would have waits of its own"
