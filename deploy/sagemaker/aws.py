"""Sends requests to AWS, and tells a thing that does not exist from every other failure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from botocore.validate import validate_parameters

from deploy.sagemaker.requests import Request
from s1_protocol.errors import S1Error, SettingsError

_MISSING_CODES = {"404", "NoSuchKey", "NotFound", "NotFoundException", "ObjectNotFoundException"}
_MISSING_WORDS = "could not find"
"""SageMaker answers ValidationException for whatever is wrong; only the message tells."""


class AwsError(S1Error):
    """AWS refused a request or was not reached; the message is its own."""


class Aws:
    """AWS in one region.

    Args:
        region: Region; None: that of AWS's own settings.
    """

    def __init__(self, region: str | None = None) -> None:
        self._session = boto3.Session(region_name=region)
        self._clients: dict[str, Any] = {}
        if self._session.region_name is None:
            raise SettingsError("no AWS region: give --region, or set AWS_DEFAULT_REGION")
        self.region: str = self._session.region_name

    def send(self, request: Request) -> Mapping[str, Any]:
        """Send a request.

        Raises:
            AwsError: it was refused, or AWS was not reached.
        """
        answer: Mapping[str, Any] = self._call(self._method(request), **request.parameters)
        return answer

    def find(self, request: Request) -> Mapping[str, Any] | None:
        """Send a request that asks for one thing; None if there is no such thing.

        Raises:
            AwsError: it was refused for another reason.
        """
        try:
            return self.send(request)
        except AwsError as error:
            if isinstance(error.__cause__, ClientError) and is_missing(error.__cause__):
                return None
            raise

    def pages(self, request: Request) -> Iterator[Mapping[str, Any]]:
        """Send a request that lists things, and go on to the last page."""
        pages = iter(self.client(request.service).get_paginator(request.operation).paginate(**request.parameters))
        while (page := self._call(next, pages, None)) is not None:
            yield page

    def upload(self, file: str, bucket: str, key: str) -> None:
        """Put a file into S3, in parts if it is large."""
        self._call(self.client("s3").upload_file, file, bucket, key)

    def check(self, request: Request) -> None:
        """Compare a request with AWS's own description of its interface; nothing is sent.

        Raises:
            AwsError: the two do not fit.
        """
        client = self.client(request.service)
        operation = client.meta.method_to_api_mapping.get(request.operation)
        if operation is not None:  # boto3's own helpers, such as upload_file, are no operations of the interface
            shape = client.meta.service_model.operation_model(operation).input_shape
            self._call(validate_parameters, request.parameters, shape)

    def client(self, service: str) -> Any:
        """boto3's client of a service."""
        if service not in self._clients:
            self._clients[service] = self._call(self._session.client, service)
        return self._clients[service]

    def _method(self, request: Request) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self.client(request.service), request.operation)
        return method

    @staticmethod
    def _call(function: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
        try:
            return function(*arguments, **parameters)
        except ClientError as error:
            details = error.response.get("Error", {})
            raise AwsError(f"{details.get('Code', 'error')}: {details.get('Message', error)}") from error
        except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
            raise AwsError(" ".join(str(error).split())) from error


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that what was asked for does not exist."""
    details = error.response.get("Error", {})
    return details.get("Code") in _MISSING_CODES or _MISSING_WORDS in str(details.get("Message", "")).lower()
