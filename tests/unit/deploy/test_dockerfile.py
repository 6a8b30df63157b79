"""What can be told of the image without building it."""

import re
import shlex
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "Dockerfile.triton"
SCRIPTS = Path(sysconfig.get_path("scripts"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(text: str) -> list[tuple[str, str]]:
    """Name and arguments of each instruction, with continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [
        (name.upper(), arguments.strip())
        for name, _, arguments in (line.partition(" ") for line in lines.replace("\\\n", " ").splitlines() if line)
    ]


INSTRUCTIONS = instructions(DOCKERFILE.read_text())


def stage(name: str) -> list[tuple[str, str]]:
    """The instructions of a stage and of those it stands on."""
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for instruction, arguments in INSTRUCTIONS:
        if instruction == "FROM":
            parent, _, current = arguments.partition(" AS ")
            found[current] = (parent, [])
        elif found:
            found[current][1].append((instruction, arguments))
    parent, own = found[name]
    return [*(stage(parent) if parent in found else []), *own]


def copied() -> list[str]:
    """What is copied out of the build's folder."""
    return [
        source
        for name, arguments in INSTRUCTIONS
        if name == "COPY" and not arguments.startswith("--from")
        for source in shlex.split(arguments)[:-1]
    ]


def sent() -> set[str]:
    """What .dockerignore lets through to a build, as Docker's own library reads it."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return exclude_paths(str(ROOT), [line for line in lines if line and not line.startswith("#")])


def test_linter_finds_nothing():
    checked = subprocess.run([SCRIPTS / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_linter_would_find_something(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM ubuntu\nRUN cd /tmp\n")
    checked = subprocess.run([SCRIPTS / "hadolint", tmp_path / "Dockerfile"], capture_output=True, check=False)
    assert checked.returncode == 1


def test_base_image_is_pinned_and_new_enough():
    image = next(value for name, value in INSTRUCTIONS if name == "ARG").partition("=")[2]
    release = re.fullmatch(r"nvcr\.io/nvidia/tritonserver:(\d\d)\.(\d\d)-py3", image)
    assert release, image
    assert (int(release[1]), int(release[2])) >= (26, 5)
    stages = [value.partition(" AS ") for name, value in INSTRUCTIONS if name == "FROM"]
    assert {parent for parent, _, _ in stages} == {"${TRITON_IMAGE}", "base"}


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_exists_and_is_not_ignored(source):
    assert (ROOT / source).exists()
    assert source in sent()


def test_the_build_gets_all_of_the_package_and_nothing_heavy():
    files = sent()
    command = ["git", "ls-files", "src", "client/s1_client", "model_repository"]
    committed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if committed.returncode == 0:  # not in an unpacked archive
        assert set(committed.stdout.split()) <= files
    tops = {file.partition("/")[0] for file in files}
    assert tops == {".dockerignore", *(source.partition("/")[0] for source in copied())}
    assert sum((ROOT / file).stat().st_size for file in files if (ROOT / file).is_file()) < 5_000_000


def test_no_reference_and_no_weights():
    requirements = (ROOT / "deploy" / "container" / "requirements.txt").read_text()
    for package in ("fish-speech", "descript-audio-codec", "nvidia-pytriton"):
        assert package not in requirements
        assert package not in DOCKERFILE.read_text()
    assert not [source for source in copied() if "checkpoint" in source]


def test_the_server_is_an_ordinary_user_and_sagemakers_is_root():
    assert [value for name, value in stage("server") if name == "USER"] == ["1000:1000"]
    assert [value for name, value in stage("sagemaker") if name == "USER"] == []
    assert INSTRUCTIONS[-1] == ("CMD", '["s1-tts-serve"]'), "the default target has to be the last one"


@pytest.mark.parametrize(("target", "question"), [("server", '"doctor", "--probe"'), ("sagemaker", "8080}/ping")])
def test_health_check_asks_whether_it_speaks_or_at_least_is_ready(target, question):
    checks = [value for name, value in stage(target) if name == "HEALTHCHECK"]
    assert len(checks) == 1
    assert question in checks[0]
    assert target == "server" or "--fail" in checks[0]


def test_commands_are_those_of_the_wheel():
    linked = next(value for name, value in stage("sagemaker") if name == "RUN" and "ln -s" in value)
    program = linked.split()[2]
    assert {"s1-tts-serve", program} <= set(PROJECT["scripts"])
    assert linked.split()[3] == "/opt/s1-tts/bin/serve"
    assert ("CMD", '["serve"]') in stage("sagemaker")


def test_version_is_the_packages():
    assert ("ARG", f"VERSION={PROJECT['version']}") in INSTRUCTIONS
