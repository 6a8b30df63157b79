"""``model.tar.gz`` is what SageMaker's container wants, the same bytes from the same files, and never half of it."""

import os
import tarfile
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from s1_protocol.names import ModelName
from s1_tts.checkpoint_files import CHECKPOINT_FILES
from tests.sagemaker_cloud import BUCKET, Cloud
from tests.unit.sagemaker.conftest import SCRIPTS, load_script

MODEL_REPOSITORY = SCRIPTS.parent / "model_repository"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    (folder / "voices").mkdir(parents=True)
    (folder / "voices" / "anna.zip").write_bytes(b"a voice")
    (folder / ".model.pth.part").write_bytes(b"half")
    for name in CHECKPOINT_FILES:
        (folder / name).write_text(f"content of {name}")
    return folder


def package(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(load_script("package_sagemaker").package)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def members_of(archive: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive) as opened:
        return {member.name: member for member in opened}


def test_models_lie_on_top_with_their_version_folders(checkpoint: Path, tmp_path: Path) -> None:
    done = package("--checkpoint", checkpoint, "--output", tmp_path / "model.tar.gz")
    assert done.exit_code == 0, done.output
    members = members_of(tmp_path / "model.tar.gz")
    assert {name.partition("/")[0] for name in members} == {*ModelName, "checkpoint"}
    for model in ModelName:
        assert members[f"{model}/config.pbtxt"].isfile()
        assert members[f"{model}/1"].isdir()
    assert {name for name in members if name.startswith("s1_mini_stream/1")} == {
        "s1_mini_stream/1",
        "s1_mini_stream/1/.gitkeep",
    }
    packed = {name for name in members if name.startswith("checkpoint/")}
    assert packed == {f"checkpoint/{name}" for name in CHECKPOINT_FILES}
    assert not any("__pycache__" in name for name in members)


def test_same_files_give_the_same_bytes(checkpoint: Path, tmp_path: Path) -> None:
    """Whatever their times and modes, and wherever they and the archive are."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "checkpoint").mkdir(parents=True)
    for name in reversed(CHECKPOINT_FILES):
        copy = elsewhere / "checkpoint" / name
        copy.write_bytes((checkpoint / name).read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (1, 1))
    first, second = tmp_path / "model.tar.gz", elsewhere / "other.tar.gz"
    assert package("--checkpoint", checkpoint, "--output", first).exit_code == 0
    done = package("--checkpoint", elsewhere / "checkpoint", "--output", second)
    assert first.read_bytes() == second.read_bytes()
    assert "sha256" in done.stdout
    for member in members_of(first).values():
        assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 0)
        assert member.mode == (0o755 if member.isdir() else 0o644)


def test_other_files_give_other_bytes(checkpoint: Path, tmp_path: Path) -> None:
    package("--checkpoint", checkpoint, "--output", tmp_path / "a.tar.gz")
    (checkpoint / "config.json").write_text("other sizes")
    package("--checkpoint", checkpoint, "--output", tmp_path / "b.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() != (tmp_path / "b.tar.gz").read_bytes()


def test_checkpoint_in_s3_is_looked_at_and_not_packed(cloud: Cloud, tmp_path: Path) -> None:
    output = tmp_path / "model.tar.gz"
    refused = package("--checkpoint-s3", f"s3://{BUCKET}/s1-mini", "--output", output)
    assert refused.exit_code == 1
    assert f"no checkpoint in s3://{BUCKET}/s1-mini: it lacks config.json" in refused.stderr
    for name in CHECKPOINT_FILES:
        cloud.client("s3").put_object(Bucket=BUCKET, Key=f"s1-mini/{name}", Body=b"")
    done = package("--checkpoint-s3", f"s3://{BUCKET}/s1-mini/", "--output", output)
    assert done.exit_code == 0, done.output
    assert {name.partition("/")[0] for name in members_of(output)} == set(ModelName)
    assert f"--checkpoint-s3 s3://{BUCKET}/s1-mini" in done.stdout


def test_bucket_that_is_not_there(cloud: Cloud, tmp_path: Path) -> None:
    refused = package("--checkpoint-s3", "s3://nowhere/s1-mini", "--output", tmp_path / "model.tar.gz")
    assert refused.exit_code == 1
    assert "s3://nowhere/s1-mini cannot be looked at: " in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give the checkpoint once: --checkpoint DIR or --checkpoint-s3"),
        (("--checkpoint", "{tmp}", "--checkpoint-s3", "s3://b/x"), "give the checkpoint once"),
        (("--checkpoint", "{tmp}"), "no checkpoint in {tmp}: it lacks config.json"),
        (("--checkpoint", "{tmp}/nowhere"), "no checkpoint in {tmp}/nowhere"),
        (("--checkpoint-s3", "http://x"), "'http://x' is no place in S3; allowed: s3://BUCKET/PREFIX"),
        (("--checkpoint", "{tmp}/checkpoint", "--output", "{tmp}/model.zip"), "whose name ends in .tar.gz only"),
        (("--checkpoint", "{tmp}/checkpoint", "--output", "{tmp}/no/m.tar.gz"), "the folder {tmp}/no does not exist"),
        (("--checkpoint", "{tmp}/checkpoint", "--model-repository", "{tmp}"), "no model repository in {tmp}"),
    ],
)
def test_bad_input_is_one_line(checkpoint: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    refused = package(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert refused.exit_code == 1
    assert message.replace("{tmp}", str(tmp_path)) in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_breaks_off_leaves_no_archive(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").mkdir()
    refused = package("--checkpoint", checkpoint, "--output", tmp_path / "model.tar.gz")
    assert refused.exit_code == 1
    assert "cannot be written" in refused.stderr
    assert [path.name for path in tmp_path.glob("model.tar.gz*")] == ["model.tar.gz"]
