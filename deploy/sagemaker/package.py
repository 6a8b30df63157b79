"""The command that makes the model.tar.gz of a SageMaker endpoint."""

import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.sagemaker.archive import ARCHIVE_NAME, write_archive
from deploy.sagemaker.bucket import S3Location, check_checkpoint
from s1_protocol.errors import S1Error, SettingsError
from s1_tts.serving.repository import PACKAGED_REPOSITORY


def package(
    checkpoint: Annotated[Path | None, typer.Option(help="Folder of the checkpoint, packed along.")] = None,
    checkpoint_s3: Annotated[
        str | None,
        typer.Option(metavar="s3://BUCKET/PREFIX", help="Uncompressed checkpoint in S3; only looked at, not packed."),
    ] = None,
    output: Annotated[Path, typer.Option(help="Archive to write.")] = Path(ARCHIVE_NAME),
    model_repository: Annotated[Path, typer.Option(help="Model repository.")] = PACKAGED_REPOSITORY,
) -> None:
    """Make the model.tar.gz of a SageMaker endpoint; the same files give the same bytes."""
    try:
        if (checkpoint is None) == (checkpoint_s3 is None):
            raise SettingsError("give the checkpoint once: --checkpoint DIR or --checkpoint-s3 s3://BUCKET/PREFIX")
        if checkpoint_s3 is not None:
            check_checkpoint(S3Location.parse(checkpoint_s3))
        write_archive(output, model_repository, checkpoint)
    except S1Error as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    with output.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB, sha256 {digest}")
    hint = f" --checkpoint-s3 {checkpoint_s3}" if checkpoint_s3 else ""
    typer.echo(f"next: scripts/deploy_sagemaker.py realtime|streaming|async NAME --model-data {output}{hint} ...")
