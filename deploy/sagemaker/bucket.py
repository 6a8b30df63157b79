"""Places in S3: where a model's files are, and what is put there for an endpoint."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.sagemaker.archive import check_checkpoint_files
from s1_protocol.errors import SettingsError

_LOCATION = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?")


@dataclass(frozen=True)
class S3Location:
    """An object, or all objects whose keys begin alike.

    Args:
        bucket: Bucket.
        key: Key or beginning of keys, without a slash at either end; may be empty.
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``s3://bucket/key``.

        Raises:
            SettingsError: it is none.
        """
        found = _LOCATION.fullmatch(text)
        if found is None:
            raise SettingsError(f"{text!r} is no place in S3; allowed: s3://BUCKET/PREFIX")
        return cls(found["bucket"], (found["key"] or "").strip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"

    def __truediv__(self, name: str) -> "S3Location":
        return S3Location(self.bucket, f"{self.key}/{name}" if self.key else name)

    @property
    def as_folder(self) -> str:
        """With a slash at the end, as SageMaker wants a prefix."""
        return f"{self}/"


def list_keys(location: S3Location) -> Iterator[str]:
    """Keys of all objects below a place, without the place itself.

    Raises:
        SettingsError: the place cannot be looked at.
    """
    prefix = f"{location.key}/" if location.key else ""
    try:
        client: Any = boto3.client("s3")
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(prefix)
    except (BotoCoreError, ClientError) as error:
        raise SettingsError(f"{location} cannot be looked at: {error}") from error


def check_checkpoint(location: S3Location) -> None:
    """Check that a place holds a checkpoint, as far as the names of its objects tell.

    Raises:
        CheckpointError: files are missing.
        SettingsError: the place cannot be looked at.
    """
    check_checkpoint_files(str(location), set(list_keys(location)))
