"""What runs in the container, run without one: an installed wheel, NVIDIA's folder layout, no source tree."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import tritonclient.grpc.aio as grpcclient
import yaml

from s1_client import NewRecording, S1Client, SpeechOptions
from tests.image_packages import link_requirements
from tests.jail import USER, Jail
from tests.triton.callers import collect

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "deploy" / "container" / "requirements.txt"
SERVICE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["s1-tts"]
STOP_LIMIT_S = 60
"""Only so that a test that fails comes to an end."""


@dataclass(frozen=True)
class Image:
    """Folders made as the image's.

    Args:
        environment: Folder of the virtual environment with the installed wheel.
        triton: What the image has as ``/opt/tritonserver``.
        libraries: Folders that the image's linker knows.
    """

    environment: Path
    triton: Path
    libraries: tuple[Path, ...]

    def variables(self, **settings: str) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([str(self.environment / "bin"), str(self.triton / "bin"), os.defpath]),
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, self.libraries)),
            **settings,
        }


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    environment = folder / "s1-tts"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    site = next((environment / "lib").glob("python*/site-packages"))
    link_requirements(REQUIREMENTS, site)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "--quiet"]
    source = copy_build_folder(folder / "build")
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, "."], cwd=source, check=True)
    shutil.rmtree(source)
    subprocess.run([*pip, "install", "--no-deps", *folder.glob("*.whl")], check=True)
    return Image(environment, *lay_out_triton(folder / "opt" / "tritonserver"))


def copy_build_folder(target: Path) -> Path:
    """Copy what the Dockerfile copies."""
    target.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    for name in ("src", "client", "model_repository"):
        shutil.copytree(ROOT / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def lay_out_triton(root: Path) -> tuple[Path, tuple[Path, ...]]:
    """Lay the packaged server out as NVIDIA's image does."""
    spec = find_spec("pytriton")
    assert spec is not None
    package = Path(str(spec.origin)).parent
    packaged = package / "tritonserver"
    (root / "bin").mkdir(parents=True)
    shutil.copy2(packaged / "bin" / "tritonserver", root / "bin")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(packaged / "backends" / "python", root / "backends" / "python")
    stub = packaged / "python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy2(stub, root / "backends" / "python")
    return root, (Path(str(sysconfig.get_config_var("LIBDIR"))), package.parent / "nvidia_pytriton.libs")


@dataclass(frozen=True)
class Served:
    """The image's command, which is ready.

    Args:
        launcher: Its process.
        port: Of gRPC.
        voices: Folder of the voice store, as it is seen from outside.
        jail: What it runs in; none where this machine lets nobody make one.
    """

    launcher: psutil.Process
    port: int
    voices: Path
    jail: Jail | None


@pytest.fixture(scope="module")
def served(image: Image, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As docker-compose.yml runs it: a read-only root, an ordinary user, no capabilities, few places to write."""
    folder = tmp_path_factory.mktemp("served")
    root, voices, log = folder / "root", folder / "voices", folder / "server.log"
    root.mkdir()
    voices.mkdir()
    ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
    command: list[str | Path] = [image.environment / "bin" / "s1-tts-serve", *ports]
    settings = {"S1_CHECKPOINT": str(checkpoint), "S1_HOST": "0.0.0.0"}
    if Jail.fault():
        jail, variables = None, image.variables(**settings, S1_VOICES=str(voices), HOME=str(folder))
    else:
        os.chown(voices, USER, USER)
        readable = [image.environment.parent, checkpoint, Path(sys.prefix), Path(sys.base_prefix)]
        for each in readable[:2]:
            each.chmod(0o755)
        # nobody may raise a limit above the one that holds here
        files = min(SERVICE["ulimits"]["nofile"]["hard"], resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        jail = Jail(root, SERVICE["tmpfs"], "1g", files, read=readable, write={"/voices": voices})
        variables = image.variables(**settings, S1_VOICES="/voices", HOME="/home/triton-server")
        command, variables = jail.command(command, variables), dict(os.environ)
    with log.open("w") as errors:
        outer = subprocess.Popen(command, env=variables, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert outer.stdout is not None
        assert "noise" in outer.stdout.readline(), log.read_text()
        ready = re.match(r"ready on 0\.0\.0\.0: http \d+, grpc (\d+)", outer.stdout.readline())
        assert ready
        outermost = psutil.Process(outer.pid)
        launcher = outermost.children()[0] if jail else outermost
        yield Served(launcher, int(ready[1]), voices, jail)
        launcher.send_signal(signal.SIGTERM)
        assert outer.wait(STOP_LIMIT_S) == 0, log.read_text()
    finally:
        if outer.poll() is None:  # process 1 of the namespace; the others end with it
            for process in psutil.Process(outer.pid).children():
                process.kill()
            outer.kill()


async def test_the_images_command_serves_with_the_images_server(image: Image, served: Served) -> None:
    """It stops cleanly in the end, which the fixture sees to."""
    children = served.launcher.children(recursive=True)
    server = next(child for child in children if child.name() == "tritonserver")
    assert server.cmdline()[0] == str(image.triton / "bin" / "tritonserver")
    assert f"--backend-directory={image.triton / 'backends'}" in server.cmdline()
    assert "--grpc-address=0.0.0.0" in server.cmdline()
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{served.port}") as client:
        chunks = await collect(client, text="Hello.", seed=1, max_frames=8)
    assert chunks[-1].is_last


def test_the_images_command_serves_with_the_rights_that_compose_gives_it(served: Served) -> None:
    if served.jail is None:
        pytest.skip(Jail.fault())
    for process in (served.launcher, *served.launcher.children(recursive=True)):
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(r"^Uid:\s+1000\s", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
        assert set(re.findall(r"^Cap(?:Prm|Eff|Bnd|Inh):\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        files = served.jail.files
        assert re.search(rf"^Max open files +{files} +{files} ", limits, re.MULTILINE)
    with S1Client(f"127.0.0.1:{served.port}") as client:
        spoken = client.speak("Hello.", SpeechOptions(seed=1, max_frames=40))
        client.voices.add("anna", [NewRecording(spoken.to_wav(), "Hello.")])
        again = client.speak("Hello.", SpeechOptions(seed=1, max_frames=8, voice="anna"))
    assert again.samples.size > 0
    assert [path.name for path in served.voices.glob("anna*")] != []
    cache = Path(f"/proc/{served.launcher.pid}/root/home/triton-server/.cache")
    assert list(cache.rglob("*.so")), "the language model's layers were not compiled"


def test_the_wheel_is_whole_and_has_nothing_else(image):
    """The model repository is in it, the ensemble's empty version folder too; examples are not."""
    site = next((image.environment / "lib").glob("python*/site-packages"))
    installed = {str(p.relative_to(site / "s1_tts" / "model_repository")) for p in model_files(site / "s1_tts")}
    assert installed == {str(p.relative_to(ROOT / "model_repository")) for p in model_files(ROOT)}
    tops = (site / "s1_tts-0.1.0.dist-info" / "top_level.txt").read_text().split()
    assert tops == ["s1_client", "s1_protocol", "s1_tts"]


def model_files(parent: Path) -> list[Path]:
    return [p for p in (parent / "model_repository").rglob("*") if p.is_file() and "__pycache__" not in p.parts]


def test_every_command_of_the_image_starts(image, tmp_path):
    for name in ("s1-tts-serve", "s1-tts-sagemaker"):
        failed = subprocess.run(
            [image.environment / "bin" / name],
            env=image.variables(S1_CHECKPOINT=str(tmp_path / "nowhere")),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert failed.returncode == 1
        assert failed.stderr.startswith("error: "), failed.stderr
        assert "nowhere" in failed.stderr
