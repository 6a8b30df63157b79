"""moto's S3, which can be told to fail."""

import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "sound"


@dataclass(eq=False)
class FaultyS3:
    """A WSGI application before moto's.

    Args:
        address: Of the running server.
        is_failing: Whether everything is answered by 500.
        num_failed: How many requests were.
        hanging: How many hang now.
    """

    address: str = ""
    is_failing: bool = False
    num_failed: int = 0
    hanging: int = 0
    _moto: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))
    _released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._released.set()

    def hang(self) -> None:
        """Answer nothing until :meth:`release`."""
        self._released.clear()

    def release(self) -> None:
        """Answer what hangs by 500, and what comes well."""
        self._released.set()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self._released.is_set() and not self.is_failing:
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        self.hanging += 1
        self._released.wait()
        self.hanging -= 1
        self.num_failed += 1
        start_response("500 Internal Server Error", [("content-length", "0"), ("connection", "close")])
        return [b""]


@contextmanager
def running_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """Run it with a bucket; workers and gateways that start meanwhile find it."""
    s3 = FaultyS3()
    server = make_server("127.0.0.1", 0, s3, threaded=True)
    s3.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.address)
    # moto keeps its buckets for the whole process, with what other tests wrote
    urllib.request.urlopen(urllib.request.Request(f"{s3.address}/moto-api/reset", method="POST")).close()
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    try:
        yield s3
    finally:
        s3.release()
        server.shutdown()
        thread.join()
