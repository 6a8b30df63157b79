"""Make the ``model.tar.gz`` of a SageMaker endpoint; the same files give the same bytes."""

import gzip
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from s1_protocol.errors import CheckpointError, SettingsError
from s1_protocol.names import ModelName
from s1_tts.checkpoint_files import CHECKPOINT_FILES
from s1_tts.serving.repository import CONFIG_FILE
from s1_tts.serving.sagemaker_container import CHECKPOINT_CHANNEL

ARCHIVE_NAME = "model.tar.gz"

_COMPRESSION = 1
"""Weights hardly get smaller, and a higher level takes minutes for it."""

_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_IGNORED = {"__pycache__"}
_KEPT_HIDDEN = {".gitkeep"}
"""Hidden files that belong to the repository: what keeps the ensemble's empty version folder."""


def write_archive(target: Path, repository: Path, checkpoint: Path | None) -> None:
    """Write the archive: the models' folders on top and, if it is to travel along, the checkpoint beside them.

    Args:
        target: File to write; it is there only when it is whole.
        repository: Our model repository.
        checkpoint: Folder of the checkpoint; None: the endpoint gets it from S3 by itself.

    Raises:
        SettingsError: ``target`` or ``repository`` cannot be used.
        CheckpointError: the checkpoint lacks files.
    """
    members = [*_models(repository), *(_checkpoint(checkpoint) if checkpoint else [])]
    if not target.name.endswith(".tar.gz"):
        raise SettingsError(f"{target}: SageMaker takes files whose name ends in .tar.gz only")
    if not target.absolute().parent.is_dir():
        raise SettingsError(f"{target}: the folder {target.absolute().parent} does not exist")
    partial = target.with_name(f"{target.name}.part")
    try:
        with partial.open("wb") as file:
            _write(file, members)
        partial.replace(target)
    except OSError as error:
        raise SettingsError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _write(file: BinaryIO, members: list[tuple[PurePosixPath, Path]]) -> None:
    # no name and no time in gzip's header, so that the bytes depend on the members only
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in sorted(members):
            _add(archive, name, path)


def _add(archive: tarfile.TarFile, name: PurePosixPath, path: Path) -> None:
    """Add a file or a folder under a name, without what differs from machine to machine."""
    entry = tarfile.TarInfo(str(name))
    if path.is_dir():
        entry.type, entry.mode = tarfile.DIRTYPE, _FOLDER_MODE
        archive.addfile(entry)
        return
    entry.mode = _FILE_MODE
    with path.open("rb") as content:
        entry.size = path.stat().st_size
        archive.addfile(entry, content)


def _models(repository: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    for model in ModelName:
        folder = repository / model
        if not (folder / CONFIG_FILE).is_file():
            raise SettingsError(f"no model repository in {repository}: {folder / CONFIG_FILE} does not exist")
        if not (folder / "1").is_dir():
            raise SettingsError(f"{folder} lacks its version folder 1, without which Triton does not load it")
        yield PurePosixPath(model), folder
        for path in folder.rglob("*"):
            inner = path.relative_to(folder)
            is_hidden = path.name.startswith(".") and path.name not in _KEPT_HIDDEN
            if not _IGNORED.intersection(inner.parts) and not is_hidden:
                yield PurePosixPath(model, inner), path


def _checkpoint(folder: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    check_checkpoint_files(str(folder), {path.name for path in folder.iterdir()} if folder.is_dir() else set())
    yield PurePosixPath(CHECKPOINT_CHANNEL), folder
    for path in folder.iterdir():  # not CHECKPOINT_FILES only: a development checkpoint has more
        if path.is_file() and not path.name.startswith("."):
            yield PurePosixPath(CHECKPOINT_CHANNEL, path.name), path


def check_checkpoint_files(place: str, names: set[str]) -> None:
    """Check that a checkpoint is whole, as far as names tell.

    Raises:
        CheckpointError: files are missing.
    """
    missing = [name for name in CHECKPOINT_FILES if name not in names]
    if missing:
        raise CheckpointError(f"no checkpoint in {place}: it lacks {', '.join(missing)}")
