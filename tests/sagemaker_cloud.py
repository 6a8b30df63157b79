"""AWS for the tests: moto, with the little of it that moto lacks, and a stand-in for the runtime of endpoints."""

import binascii
import json
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import pytest
from moto import mock_aws
from moto.core.responses import ActionResult
from moto.sagemaker.models import FakeEndpointConfig, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

LOADER = botocore.loaders.Loader(include_default_search_paths=True)
"""Shared by all sessions: SageMaker's description alone takes half a second to read."""

REGION = "us-east-1"
ACCOUNT = "123456789012"
BUCKET = "speech"


@dataclass
class Cloud:
    """One AWS region.

    ``statuses`` are what the next looks at an endpoint tell instead of the truth.
    """

    statuses: list[str] = field(default_factory=list)
    failure_reason: str = ""
    takes_updates_back: bool = False
    calls: list[str] = field(default_factory=list)
    """Operations that were sent, in order, as AWS names them."""

    @property
    def changes(self) -> list[str]:
        reads = ("Describe", "List", "Get", "Head")
        return [call for call in self.calls if not call.startswith(reads)]

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION)

    def objects(self) -> list[str]:
        listed = self.client("s3").list_objects_v2(Bucket=BUCKET)
        return [item["Key"] for item in listed.get("Contents", [])]


@contextmanager
def mocked_cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """moto in this process, with ``update_endpoint``, which it lacks, and machine types that it does not know."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    cloud = Cloud()
    describe = SageMakerModelBackend.describe_endpoint

    def update_endpoint(response: SageMakerResponse) -> ActionResult:
        body = json.loads(response.body)
        backend = response.sagemaker_backend
        backend.describe_endpoint_config(body["EndpointConfigName"])
        endpoint = backend.endpoints[body["EndpointName"]]
        if not cloud.takes_updates_back:
            endpoint.endpoint_config_name = body["EndpointConfigName"]
        return ActionResult({"EndpointArn": endpoint.arn})

    def describe_endpoint(backend: SageMakerModelBackend, endpoint_name: str) -> dict[str, Any]:
        described = dict(describe(backend, endpoint_name))
        if cloud.statuses:
            described["EndpointStatus"] = cloud.statuses.pop(0)
            described["FailureReason"] = cloud.failure_reason
        return described

    monkeypatch.setattr(botocore.session, "create_loader", lambda _path: LOADER)
    monkeypatch.setattr(SageMakerResponse, "update_endpoint", update_endpoint, raising=False)
    monkeypatch.setattr(SageMakerModelBackend, "describe_endpoint", describe_endpoint)
    monkeypatch.setattr(FakeEndpointConfig, "validate_instance_type", lambda _self, _type: None)
    with mock_aws():
        cloud.client("s3").create_bucket(Bucket=BUCKET)
        with monkeypatch.context() as patch:
            make = boto3.Session.client

            def recorded(self: boto3.Session, *arguments: Any, **parameters: Any) -> Any:
                client = make(self, *arguments, **parameters)
                client.meta.events.register(
                    "before-call", lambda model, **_: cloud.calls.append(model.name), unique_id="record"
                )
                return client

            patch.setattr(boto3.Session, "client", recorded)
            yield cloud


@dataclass(frozen=True)
class Answer:
    """What a container says to ``/invocations``."""

    status: int
    content_type: str
    body: bytes


Container = Callable[[bytes, str], Answer]
"""Takes a request's body and content type."""


@dataclass
class Runtime:
    """The part of AWS between a caller and a container: ``InvokeEndpoint`` and its two relatives.

    Args:
        container: Answers requests.
        part_sizes: Sizes of the parts of a streamed answer, over and over.
    """

    container: Container
    part_sizes: tuple[int, ...] = (1000, 7, 1, 4096)
    breaks_after: int | None = None
    """A streamed answer fails after so many parts."""
    async_delay_s: float = 0.0
    _timers: list[threading.Timer] = field(default_factory=list)

    def stop(self) -> None:
        """Forget asynchronous requests that have not begun, and wait for those that have."""
        for timer in self._timers:
            timer.cancel()
            timer.join()

    def invoke(self, name: str, operation: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to one call."""
        if name == "nowhere":
            message = f"Endpoint {name} of account {ACCOUNT} not found."
            return 400, {"X-Amzn-ErrorType": "ValidationError"}, json.dumps({"Message": message}).encode()
        if operation == "async-invocations":
            return self._invoke_async(headers)
        answer = self.container(body, headers["Content-Type"])
        if answer.status != 200:
            told = {
                "Message": f"Received client error ({answer.status}) from primary and could not load the message",
                "OriginalStatusCode": answer.status,
                "OriginalMessage": answer.body.decode(),
                "LogStreamArn": "arn:aws:logs",
            }
            return 424, {"X-Amzn-ErrorType": "ModelError"}, json.dumps(told).encode()
        if operation == "invocations":
            return 200, {"Content-Type": answer.content_type}, answer.body
        return (
            200,
            {
                "Content-Type": "application/vnd.amazon.eventstream",
                "X-Amzn-SageMaker-Content-Type": answer.content_type,
            },
            b"".join(self._frames(answer.body)),
        )

    def _frames(self, body: bytes) -> Iterator[bytes]:
        start, number = 0, 0
        while start < len(body):
            if number == self.breaks_after:
                told = json.dumps({"Message": "the container broke off", "ErrorCode": "StreamBroken"}).encode()
                yield frame(told, {":exception-type": "ModelStreamError", ":message-type": "exception"})
                return
            size = self.part_sizes[number % len(self.part_sizes)]
            yield frame(body[start : start + size], {":event-type": "PayloadPart", ":message-type": "event"})
            start, number = start + size, number + 1

    def _invoke_async(self, headers: Any) -> tuple[int, dict[str, str], bytes]:
        number = uuid.uuid4().hex
        output, failure = f"voice/output/{number}.out", f"voice/failure/{number}.out"
        s3 = boto3.client("s3", region_name=REGION)
        bucket, _, key = headers["X-Amzn-SageMaker-InputLocation"].removeprefix("s3://").partition("/")

        def work() -> None:
            answer = self.container(
                s3.get_object(Bucket=bucket, Key=key)["Body"].read(), headers["X-Amzn-SageMaker-Content-Type"]
            )
            s3.put_object(Bucket=BUCKET, Key=output if answer.status == 200 else failure, Body=answer.body)

        timer = threading.Timer(self.async_delay_s, work)
        self._timers.append(timer)
        timer.start()
        told = {
            "X-Amzn-SageMaker-OutputLocation": f"s3://{BUCKET}/{output}",
            "X-Amzn-SageMaker-FailureLocation": f"s3://{BUCKET}/{failure}",
        }
        return 202, told, json.dumps({"InferenceId": number}).encode()


def frame(payload: bytes, headers: dict[str, str]) -> bytes:
    """A message of AWS's event stream: lengths, their checksum, headers, payload, checksum of it all."""
    packed = b""
    for name, value in headers.items():
        packed += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + packed + payload
    return message + struct.pack("!I", binascii.crc32(message))


@contextmanager
def running_runtime(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """Serve it where boto3 looks for SageMaker's runtime."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            _, _, name, operation = self.path.split("/")
            status, headers, answer = runtime.invoke(name, operation, self.headers, body)
            self.send_response(status)
            for header, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(header, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield runtime
    finally:
        runtime.stop()
        server.shutdown()
        thread.join()
        server.server_close()
