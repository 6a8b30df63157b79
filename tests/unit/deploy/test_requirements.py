"""The image's packages can be had for its Python, 3.12, and are those the tests run with. Asks the package index."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
LOCKED = ROOT / "deploy" / "container" / "requirements.txt"
CONSTRAINTS = ROOT / "constraints.txt"
UV = Path(sysconfig.get_path("scripts")) / "uv"
NO_INDEX = re.compile(r"error sending request|Failed to fetch|dns error|client error \(Connect\)", re.IGNORECASE)


def pins(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    return {name.lower().replace("_", "-"): version for name, _, version in (line.partition("==") for line in lines)}


def constraints_of_images(folder: Path) -> Path:
    """The versions of the tests but for numpy, of which only the tests' ``tritonserver`` needs an old one."""
    path = folder / "constraints.txt"
    lines = CONSTRAINTS.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("numpy==")))
    return path


def index_of_pip() -> dict[str, str]:
    """The index and certificates that pip is told of, in uv's variables."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    told = dict(re.findall(r"^[\w.:]*\.([\w-]+)='(.*)'$", listed.stdout, re.MULTILINE))
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    return {variable: told[name] for name, variable in names.items() if name in told}


def test_every_package_can_be_had_as_a_wheel_for_python_3_12(tmp_path):
    """Resolves from the index, with the wheels' own requirements, and finds what is committed."""
    command = [UV, "pip", "compile", ROOT / "pyproject.toml", "--extra", "server", "--extra", "espeak", "--quiet"]
    command += ["--constraints", LOCKED, "--constraints", constraints_of_images(tmp_path)]
    command += ["--only-binary", ":all:"]
    command += ["--no-binary", "docopt", "--no-emit-package", "docopt"]  # of num2words' command line, without a wheel
    command += ["--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_39"]  # Ubuntu 24.04
    resolved = subprocess.run(
        [*command, "--no-annotate", "--no-header", "--no-config"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
        env={**os.environ, **index_of_pip()},
    )
    if resolved.returncode != 0 and NO_INDEX.search(resolved.stderr):
        pytest.skip(f"no package index can be reached: {resolved.stderr.splitlines()[0]}")
    assert resolved.returncode == 0, resolved.stderr
    assert pins(resolved.stdout) == pins(LOCKED.read_text())


def test_versions_are_those_of_the_tests():
    tested = pins(CONSTRAINTS.read_text())
    shared = {name: version for name, version in pins(LOCKED.read_text()).items() if name in tested}
    assert shared.pop("numpy").startswith("2."), "the wheel that the tests run Triton from is what needs numpy 1"
    assert shared == {name: tested[name] for name in shared}
    assert {"torch", "tiktoken", "pydantic"} <= set(shared)


def test_torch_comes_with_cuda():
    assert "nvidia-cublas" in pins(LOCKED.read_text())
