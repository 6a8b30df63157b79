"""What the gateway's image has is enough for a worker: its packages, an installed wheel, no source tree."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.jobs.conftest import running_place
from tests.gateway.stand_in import StandIn
from tests.image_packages import link_requirements
from tests.unit.deploy.test_gateway_image import COPIED, LOCKED, ROOT


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``s1-gateway`` as the image has it."""
    folder = tmp_path_factory.mktemp("image")
    environment = folder / "s1-gateway"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    link_requirements(LOCKED, next((environment / "lib").glob("python*/site-packages")))
    for name in COPIED:
        source, target = ROOT / name, folder / "build" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, "."]
    subprocess.run(wheel, cwd=folder / "build", check=True)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", *folder.glob("*.whl")], check=True)
    return environment / "bin" / "s1-gateway"


def test_a_worker_runs_in_it(
    redis_program: None, jobs_stand_in: tuple[StandIn, str], command: Path, tmp_path: Path
) -> None:
    with running_place(tmp_path, jobs_stand_in) as place:
        place.start_worker(command)
        job_id = place.submit("Said by the image's worker.")
        place.wait(job_id)
        assert place.content(job_id)[:4] == b"RIFF"
        (worker,) = place.workers
        place.stop_workers()
        assert worker.returncode == 0


def test_flower_is_in_it(command: Path) -> None:
    celery = [command.with_name("python"), "-m", "celery", "flower", "--help"]
    told = subprocess.run(celery, capture_output=True, text=True, check=False)
    assert "flower" in told.stdout, told.stderr
