"""Sound of jobs in an S3 bucket."""

import math
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from s1_gateway.job_settings import DAY_S, JobSettings
from s1_gateway.jobs.store import StoreError

_TIMES: Final = {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 2, "mode": "standard"}}
_NOT_THERE: Final = {"404", "NoSuchKey", "NotFound"}


def _client(endpoint: str | None) -> Any:
    # v4, without which long links and most regions do not work; checksums only where a store wants them
    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=64,
        **_TIMES,
    )
    return boto3.client("s3", endpoint_url=endpoint, config=config)


class BucketStore:
    """A bucket, or a part of one.

    Args:
        settings: Name it.
    """

    def __init__(self, settings: JobSettings) -> None:
        bucket, _, prefix = (settings.jobs_bucket or "").removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._prefix = prefix.rstrip("/") + "/" if prefix else ""
        self._link_s = settings.jobs_link_s
        self._ttl_s = settings.jobs_ttl_s
        self._client = _client(None)
        # a link has the host that it is signed for: that of callers may not be ours
        public = settings.jobs_public_endpoint
        self._signer = _client(public) if public else None

    def put(self, name: str, data: bytes, media_type: str) -> None:
        """Store a file: S3 shows it when it is whole."""
        self._ask("put_object", Key=self._prefix + name, Body=data, ContentType=media_type)

    def get(self, name: str) -> bytes | None:
        """Read a file."""
        answer = self._ask("get_object", Key=self._prefix + name)
        if answer is None:
            return None
        try:
            return bytes(answer["Body"].read())
        except (BotoCoreError, OSError) as error:
            raise StoreError(f"s3://{self._bucket}: {error}") from error

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return self._ask("head_object", Key=self._prefix + name) is not None

    def link(self, name: str, download: str) -> str | None:
        """Make a link, signed for the address that callers see."""
        if self._signer is None:
            return None
        place = {
            "Bucket": self._bucket,
            "Key": self._prefix + name,
            "ResponseContentDisposition": f'attachment; filename="{download}"',
        }
        return str(self._signer.generate_presigned_url("get_object", Params=place, ExpiresIn=self._link_s))

    def clean(self, older_than_s: float) -> None:
        """The bucket's rule does it, see :meth:`write_rule`."""

    def write_rule(self) -> int:
        """Write the rule by which the bucket forgets sound, beside those that are there; tells after how many days."""
        days = math.ceil(2 * self._ttl_s / DAY_S)  # sound may be answered again until it is one such time old
        rule = {
            "ID": f"s1-jobs-{self._prefix.rstrip('/').replace('/', '-')}",
            "Status": "Enabled",
            "Filter": {"Prefix": self._prefix},
            "Expiration": {"Days": days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        try:
            kept = self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket)["Rules"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
                raise StoreError(f"s3://{self._bucket}: {error}") from error
            kept = []
        rules = [*(each for each in kept if each.get("ID") != rule["ID"]), rule]
        self._ask("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules})
        return days

    def _ask(self, operation: str, **arguments: object) -> Any:
        try:
            return getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_THERE:
                return None
            raise StoreError(f"s3://{self._bucket}: {error}") from error
        except BotoCoreError as error:
            raise StoreError(f"s3://{self._bucket}: {error}") from error
