"""The commands that make, update and delete SageMaker endpoints that serve S1-mini."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.sagemaker.aws import Aws
from deploy.sagemaker.bucket import S3Location
from deploy.sagemaker.deployer import Deployer, uploaded_name
from deploy.sagemaker.deployment import Deployment, check_name
from deploy.sagemaker.removal import plan_of_removal, remove_data, remove_endpoint
from deploy.sagemaker.requests import Request
from deploy.sagemaker.steps import plan
from deploy.sagemaker.waiting import Patience
from s1_client.commands.groups import takes_groups
from s1_protocol.errors import S1Error, SettingsError
from s1_protocol.sagemaker import EndpointKind

app = typer.Typer(
    help="Make, update and delete SageMaker endpoints that serve S1-mini.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="Name of the endpoint; all that is made for it begins with it.")]
Image = Annotated[str, typer.Option(help="Our image in ECR: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG.")]
Role = Annotated[str, typer.Option(help="ARN of the IAM role that the container has.")]
ModelData = Annotated[str, typer.Option(help="model.tar.gz: an s3:// place, or a file, which is uploaded below --s3.")]
Storage = Annotated[
    str | None, typer.Option("--s3", help="s3://BUCKET/PREFIX for results and archives; ours is below PREFIX/NAME/.")
]
Checkpoint = Annotated[
    str | None, typer.Option("--checkpoint-s3", help="Uncompressed checkpoint in S3, if model.tar.gz has none.")
]
Instance = Annotated[str, typer.Option("--instance-type", help="Machine.")]
Instances = Annotated[int, typer.Option("--instances", min=1, help="Number of machines; async: at the start.")]
SettingsGiven = Annotated[list[str] | None, typer.Option("--set", help="S1_NAME=VALUE for the container; repeatable.")]
Region = Annotated[str | None, typer.Option(help="AWS region; else that of AWS's own settings.")]
Timeout = Annotated[float, typer.Option("--timeout-s", help="Longest time to wait for the endpoint.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the requests as JSON and send none.")]


@dataclass(frozen=True, kw_only=True)
class Common:
    """Options that all kinds of endpoint share."""

    storage: Storage = None
    checkpoint_s3: Checkpoint = None
    instance_type: Instance = "ml.g5.xlarge"
    instances: Instances = 1
    setting: SettingsGiven = None
    region: Region = None
    timeout_s: Timeout = 2400.0
    dry_run: DryRun = False


@app.command()
@takes_groups
def realtime(name: Name, *, image: Image, role: Role, model_data: ModelData, common: Common) -> None:
    """An endpoint that answers with all of the sound, within SageMaker's 60 seconds."""
    _deploy(EndpointKind.REALTIME, name, image, role, model_data, common)


@app.command()
@takes_groups
def streaming(name: Name, *, image: Image, role: Role, model_data: ModelData, common: Common) -> None:
    """An endpoint that sends the sound while the rest is still being made; needs Triton 25.03 or later."""
    _deploy(EndpointKind.STREAMING, name, image, role, model_data, common)


@app.command("async")
@takes_groups
def asynchronous(
    name: Name,
    *,
    image: Image,
    role: Role,
    model_data: ModelData,
    common: Common,
    max_instances: Annotated[int, typer.Option(min=1, help="Number of machines at most; at least none.")] = 2,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Requests a machine at a time.")] = 8,
    backlog: Annotated[float, typer.Option(min=0.1, help="Waiting requests a machine that scaling aims at.")] = 8.0,
) -> None:
    """An endpoint from S3 to S3, with topics for results and failures; without requests it has no machines."""
    sizes = {"max_instances": max_instances, "concurrency": concurrency, "backlog_per_instance": backlog}
    _deploy(EndpointKind.ASYNC, name, image, role, model_data, common, **sizes)


@app.command()
def delete(
    name: Name,
    data: Annotated[
        str | None, typer.Option(metavar="s3://BUCKET/PREFIX", help="Also delete all objects below PREFIX/NAME/.")
    ] = None,
    region: Region = None,
    timeout_s: Timeout = 2400.0,
    dry_run: DryRun = False,
) -> None:
    """Delete an endpoint and all that was made for it; data in buckets stays unless asked for."""
    console = Console(soft_wrap=True, highlight=False)
    with _errors():
        check_name(name)
        storage = S3Location.parse(data) if data else None
        aws = Aws(region)
        if dry_run:
            _print_plan(aws, plan_of_removal(name))
            return
        for what in remove_endpoint(aws, name, Patience(timeout_s), console):
            console.print(f"{what}: removed", markup=False)
        if storage is not None:
            console.print(f"{storage / name}/: {remove_data(aws, storage, name)} objects removed", markup=False)


def _deploy(
    kind: EndpointKind, name: str, image: str, role: str, model_data: str, common: Common, **sizes: Any
) -> None:
    with _errors():
        aws = Aws(common.region)
        check_name(name)
        storage = S3Location.parse(common.storage) if common.storage else None
        place, archive = _place_model(model_data, storage, name)
        deployment = Deployment(
            kind=kind,
            name=name,
            image=image,
            role_arn=role,
            region=aws.region,
            model_data=place,
            checkpoint=S3Location.parse(common.checkpoint_s3) if common.checkpoint_s3 else None,
            instance_type=common.instance_type,
            num_instances=common.instances,
            storage=storage,
            settings=dict(_parse_setting(text) for text in common.setting or ()),
            **sizes,
        )
        if common.dry_run:
            upload = {"Filename": str(archive), "Bucket": place.bucket, "Key": place.key}
            uploads = [Request("s3", "upload_file", upload)] if archive else []
            _print_plan(aws, [*uploads, *plan(deployment)])
            return
        console = Console(soft_wrap=True, highlight=False)
        Deployer(aws, deployment, console, Patience(common.timeout_s), archive).run()
        console.print(f'try: s1-tts say "Hello there." -o hello.wav --sagemaker {name}', markup=False)


def _place_model(model_data: str, storage: S3Location | None, name: str) -> tuple[S3Location, Path | None]:
    """Where the archive is to be, and the file to be put there."""
    if model_data.startswith("s3://"):
        return S3Location.parse(model_data), None
    file = Path(model_data)
    if not file.is_file():
        raise SettingsError(f"model-data: no file {file}; scripts/package_sagemaker.py makes it")
    if storage is None:
        raise SettingsError(f"model-data: {file} is a file, so a place for it is needed: --s3 s3://BUCKET/PREFIX")
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return uploaded_name(storage, name, digest), file


def _parse_setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"set: got {text!r}; allowed: S1_NAME=VALUE")
    return name, value


def _print_plan(aws: Aws, requests: list[Request]) -> None:
    for request in requests:
        aws.check(request)
    typer.echo(json.dumps([request.describe() for request in requests], indent=2))


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except S1Error as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("stopped; AWS goes on with what was sent, and the same command goes on from there", err=True)
        sys.exit(130)
