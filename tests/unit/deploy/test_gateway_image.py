"""What can be told of the gateway's image without building it, and of its place in Compose."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from docker.utils.build import exclude_paths

from s1_gateway.settings import PREFIX, Settings
from tests.unit.deploy.test_dockerfile import SCRIPTS, instructions
from tests.unit.deploy.test_requirements import NO_INDEX, UV, constraints_of_images, index_of_pip, pins

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "gateway" / "Dockerfile"
LOCKED = ROOT / "gateway" / "requirements.txt"
INSTRUCTIONS = instructions(DOCKERFILE.read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVICE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["s1-gateway"]

COPIED = [
    source
    for name, arguments in INSTRUCTIONS
    if name == "COPY" and not arguments.startswith("--from")
    for source in shlex.split(arguments)[:-1]
]


def sent() -> set[str]:
    lines = (ROOT / "gateway" / "Dockerfile.dockerignore").read_text().splitlines()
    return exclude_paths(str(ROOT), [line for line in lines if line and not line.startswith("#")])


def test_linter_finds_nothing():
    checked = subprocess.run([SCRIPTS / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_exists_and_is_sent(source):
    assert (ROOT / source).exists()
    assert source in sent()


def test_nothing_else_is_sent():
    files = {file for file in sent() if (ROOT / file).is_file()} - {".dockerignore"}
    assert [file for file in files if not file.startswith(tuple(COPIED))] == []


def test_no_engine_and_no_torch():
    assert not [source for source in COPIED if "s1_tts" in source]
    assert not {"torch", "tiktoken", "huggingface-hub"} & pins(LOCKED.read_text()).keys()


def test_it_is_an_ordinary_user_who_runs_the_command():
    assert ("USER", "1000:1000") in INSTRUCTIONS
    assert INSTRUCTIONS[-1] == ("CMD", '["s1-gateway", "serve"]')
    assert "s1-gateway" in PROJECT["scripts"]
    assert ("ARG", f"VERSION={PROJECT['version']}") in INSTRUCTIONS


@pytest.mark.slow
def test_packages_can_be_had_as_wheels_and_are_those_of_the_tests(tmp_path):
    command = [UV, "pip", "compile", ROOT / "pyproject.toml", "--extra", "jobs", "--quiet", "--only-binary", ":all:"]
    command += ["--constraints", LOCKED, "--constraints", constraints_of_images(tmp_path)]
    command += ["--no-annotate", "--no-header", "--no-config", "--python-version", "3.12"]
    command += ["--python-platform", "x86_64-manylinux_2_28"]
    resolved = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd="/", env=os.environ | index_of_pip()
    )
    if resolved.returncode != 0 and NO_INDEX.search(resolved.stderr):
        pytest.skip(f"no package index can be reached: {resolved.stderr.splitlines()[0]}")
    assert resolved.returncode == 0, resolved.stderr
    assert pins(resolved.stdout) == pins(LOCKED.read_text())


def test_the_command_imports_nothing_heavy_and_no_engine(tmp_path):
    program = "import sys, s1_gateway.command; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "s1_gateway" in done.stdout.split()
    assert not {"torch", "s1_tts", "tiktoken", "boto3", "scipy"} & set(done.stdout.split())


def test_compose_settings_are_known():
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert SERVICE["environment"].keys() <= known
    (mount,) = SERVICE["volumes"]
    assert mount["target"] == SERVICE["environment"]["S1_GATEWAY_TOKENS_FILE"]
    seconds = int(re.fullmatch(r"(\d+)s", SERVICE["stop_grace_period"])[1])
    assert seconds > Settings.model_fields["drain_s"].default
    assert (ROOT / SERVICE["build"]["dockerfile"]).is_file()
