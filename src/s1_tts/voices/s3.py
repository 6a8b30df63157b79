"""Voices in an S3 bucket, one object each."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from s1_protocol.checks import is_voice_id
from s1_protocol.errors import SettingsError, UnavailableError
from s1_tts.voices.store import S3_SCHEME, no_such_voice
from s1_tts.voices.voice import Voice
from s1_tts.voices.voice_archive import MAX_VOICE_BYTES, SUFFIX, pack, too_large, unpack

log = logging.getLogger(__name__)

_MISSING = {"404", "NoSuchKey", "NotFound"}
_CHANGED = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}


class S3Store:
    """A bucket, or the part of it under a prefix; credentials, region and endpoint come from AWS's own variables.

    Args:
        client: boto3's S3 client; its calls may be made from several threads.
        bucket: Bucket.
        prefix: What the objects' keys begin with: empty, or ending with a slash.
    """

    check_every_s = 10.0

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    def open(cls, location: str) -> Self:
        """Open ``s3://bucket[/prefix]``.

        Raises:
            SettingsError: there is no bucket in it, or AWS's own settings are wrong.
        """
        bucket, _, prefix = location.removeprefix(S3_SCHEME).partition("/")
        if not bucket:
            raise SettingsError(f"voices: {location!r} names no bucket; allowed: {S3_SCHEME}bucket/prefix")
        prefix = prefix.strip("/")
        # without short timeouts a store that does not answer would hold requests for minutes
        config = Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 3, "mode": "standard"})
        try:
            client = boto3.client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise SettingsError(f"voices: {location}: {error}") from error
        return cls(client, bucket, f"{prefix}/" if prefix else "")

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""
        names: list[str] = []
        with self._asking():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                names += [item["Key"].removeprefix(self._prefix) for item in page.get("Contents", [])]
        ids = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
        return sorted(voice_id for voice_id in ids if is_voice_id(voice_id))

    def version(self, voice_id: str) -> str:
        """Version of a voice as it is stored now.

        Raises:
            NotFoundError: there is no such voice.
        """
        with self._asking(voice_id):
            return str(self._client.head_object(Bucket=self._bucket, Key=self._key(voice_id))["ETag"])

    def get(self, voice_id: str) -> Voice:
        """Read a voice.

        Raises:
            NotFoundError: there is no such voice.
            BrokenVoiceError: what is there is no voice.
        """
        with self._asking(voice_id):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(voice_id))
            if answer["ContentLength"] > MAX_VOICE_BYTES:
                raise too_large(voice_id)
            data = answer["Body"].read()
        return unpack(voice_id, data, str(answer["ETag"]))

    def put(self, voice: Voice) -> None:
        """Store a voice; one of the same id is replaced."""
        with self._asking():
            self._client.put_object(Bucket=self._bucket, Key=self._key(voice.id), Body=pack(voice))

    def refresh(self, voice: Voice) -> bool:
        """Store a voice that was read and completed, unless someone changed or deleted it since."""
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=self._key(voice.id), Body=pack(voice), IfMatch=voice.version
            )
        except ClientError as error:
            if _code(error) in _MISSING | _CHANGED:
                return False
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error
        return True

    def delete(self, voice_id: str) -> None:
        """Remove a voice.

        Raises:
            NotFoundError: there is no such voice.
        """
        self.version(voice_id)  # S3 itself says nothing about a key that is not there
        with self._asking(voice_id):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(voice_id))

    def _key(self, voice_id: str) -> str:
        return f"{self._prefix}{voice_id}{SUFFIX}"

    @contextmanager
    def _asking(self, voice_id: str = "") -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if voice_id and _code(error) in _MISSING:
                raise no_such_voice(voice_id) from error
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> UnavailableError:
        log.warning("voice store %s%s/%s: %s", S3_SCHEME, self._bucket, self._prefix, error)
        return UnavailableError("the voice store does not answer as it should; the log of its user says more")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
