"""What waits for a GPU is rehearsed on a CPU, and the kernels compile for GPUs that are not here."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from perf.gpu.stages import MARK, Check, run_stage

ROOT = Path(__file__).parents[3]
MOST_LAUNCHES = 450
MOST_STACK_BYTES = 8


def run_stage_of(check: Check, code: str, limit_s: float = 60.0) -> None:
    run_stage(check, "it", [sys.executable, "-c", code], limit_s)


def test_figures_are_kept_as_they_come_and_a_stage_that_fails_keeps_its_own(tmp_path: Path) -> None:
    check = Check(tmp_path)
    run_stage_of(check, f"print('{MARK}{{\"a\": 1}}'); print('noise'); raise SystemExit(3)")
    found = json.loads((tmp_path / "check.json").read_text())
    assert (found["it"]["a"], found["it"]["status"]) == (1, "failed with code 3")
    assert "noise" in (tmp_path / "log.txt").read_text()


@pytest.mark.slow
def test_a_stage_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    check = Check(tmp_path)
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    run_stage_of(check, f"{child}; print('{MARK}{{\"b\": 2}}', flush=True); time.sleep(600)", limit_s=10.0)
    assert check.figures["it"]["status"] == "out of time"
    assert check.figures["it"]["b"] == 2


def test_a_stage_whose_module_or_program_is_missing_costs_itself_alone(tmp_path: Path) -> None:
    check = Check(tmp_path)
    run_stage_of(check, "import no_such_module")
    run_stage(check, "lost", ["/no/such/program"], 5.0)
    run_stage_of(
        check, f"import os, signal; print('{MARK}{{\"c\": 3}}', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    run_stage(check, "next", [sys.executable, "-c", f"print('{MARK}{{\"d\": 4}}')"], 60.0)
    assert "no_such_module" in (tmp_path / "log.txt").read_text()
    assert check.figures["lost"]["status"].startswith("could not be started")
    assert (check.figures["it"]["c"], check.figures["it"]["status"]) == (3, "failed with code -9")
    assert check.figures["next"] == {"d": 4, "status": "done", "seconds": check.figures["next"]["seconds"]}


@pytest.mark.slow
def test_a_daemon_that_a_stage_leaves_behind_holds_up_nobody(tmp_path: Path) -> None:
    """It has a session of its own, and the stage's output."""
    check = Check(tmp_path)
    daemon = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)"
    run_stage_of(check, f"import json, subprocess, sys; print('{MARK}' + json.dumps({{'pid': {daemon}.pid}}))")
    os.kill(check.figures["it"]["pid"], signal.SIGKILL)  # it still lived
    assert check.figures["it"]["status"] == "done"


def test_figures_that_are_no_json_are_passed_over(tmp_path: Path) -> None:
    check = Check(tmp_path)
    run_stage_of(check, f"print('{MARK}{{broken'); print('{MARK}{{\"e\": 5}}')")
    assert (check.figures["it"]["e"], check.figures["it"]["status"]) == (5, "done")


def test_a_second_command_adds_to_what_the_first_one_found(tmp_path: Path) -> None:
    Check(tmp_path).tell("lm", ms=1.0)
    Check(tmp_path).tell("server", ms=2.0)
    assert json.loads((tmp_path / "check.json").read_text()) == {"lm": {"ms": 1.0}, "server": {"ms": 2.0}}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_check_is_rehearsed(tmp_path: Path) -> None:
    stages = ("probe", "kernels", "lm", "codec", "engine", "micro", "contention", "server", "tiles")
    command = [sys.executable, "-m", "perf", "gpu", "--out", str(tmp_path), "--device", "cpu", "--size", "tiny"]
    done = subprocess.run(
        [*command, "--budget", "1700", "--only", *stages], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "check.json").read_text())
    assert {name: found[name]["status"] for name in stages} == dict.fromkeys(stages, "done"), done.stdout
    assert found["kernels"]["tiny_float32"]["frames_equal"] == found["kernels"]["tiny_float32"]["frames"]
    assert found["lm"]["torch_step_2_at_20"]["ms"] > 0
    assert found["codec"]["torch_untried_1x4"]["ms"] > 0
    assert found["engine"]["streams_4"]["failures"] == []
    assert found["contention"]["one_process"].keys() == {"step_ms_p50", "step_ms_p99", "audio_s_per_s"}
    assert found["micro"]["wqkv_1_rows"]["kernel_us"] > 0
    assert found["server"]["callers_2"]["audio_s_per_s"] > 0
    assert found["server"]["killed_codec"]["caller_got"] != "sound"
    failures = {
        f"{stage}.{name}": told for stage in stages for name, told in found[stage].items() if "failed" in str(told)
    }
    assert failures == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_kernel_compiles_for_every_gpu_as_recorded(tmp_path: Path) -> None:
    """In a process of its own, where Triton's interpreter is off."""
    made = tmp_path / "kernels.json"
    subprocess.run([sys.executable, "-m", "perf", "kernels", "--out", str(made)], cwd=ROOT, check=True)
    found = json.loads(made.read_text())
    recorded = json.loads((ROOT / "perf" / "results" / "kernels.json").read_text())
    assert found["launches_of_a_step"] <= MOST_LAUNCHES
    usages = [usage for by_gpu in found["kernels"].values() for usage in by_gpu.values()]
    assert len(usages) == 5 * len(found["kernels"])
    assert max(usage["stack_bytes"] for usage in usages) <= MOST_STACK_BYTES
    assert max(usage["shared_bytes"] for usage in usages) <= 99 * 1024  # of sm_86 and sm_89
    assert found == recorded, "make the record anew: python -m perf kernels"
