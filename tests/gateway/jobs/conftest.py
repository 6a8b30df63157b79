"""A real Redis, real Celery workers and a gateway, before the stand-in for Triton."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, running

SECRET = "a secret of the tests, long enough"
FAST = {"jobs_backoff_s": 0.05, "jobs_grace_s": 1.0, "jobs_streams": 8, "jobs_attempts": 8}
SHORT_LEASE = {"jobs_lease_s": 1.5}
"""Where workers die: their jobs are put back soon. Elsewhere a worker may get no CPU for longer and keeps its jobs."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RunningRedis:
    """A redis-server with an append-only file, which can be stopped and started again on its port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True, parents=True)
        options = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--bind", "127.0.0.1"]
        command = ["redis-server", "--port", str(self.port), "--dir", str(self.folder), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def answers() -> bool:
            with contextlib.suppress(redis.RedisError):
                return bool(self.client().ping())
            return False

        until(answers)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(sig)
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def redis_program() -> None:
    assert shutil.which("redis-server"), "redis-server is not installed: apt-get install redis-server"


@pytest.fixture(scope="session")
def jobs_stand_in() -> Iterator[tuple[StandIn, str]]:
    service = StandIn()
    with running(service) as address:
        yield service, address


@dataclass
class Receiver:
    """Takes webhooks; ``answers`` are given one after the other, then 200. None: hangs, until it is released."""

    port: int
    answers: list[int | None] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Take a message as it comes."""
        self.came.append((headers, body))

    def of(self, job_id: str) -> list[dict[str, Any]]:
        return [body for _, raw in self.came if (body := json.loads(raw))["data"]["id"] == job_id]

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen on its port, or on any free one the first time."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
                answer = receiver.answers.pop(0) if receiver.answers else 200
                if answer is None:
                    receiver.released.wait(20)
                    return
                self.send_response(answer)
                if 300 <= answer < 400:
                    self.send_header("location", receiver.url)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver(0)
    with receiver.listening():
        try:
            yield receiver
        finally:
            receiver.released.set()


@dataclass
class Place:
    """Everything of one module's tests: Redis, gateway, workers."""

    redis: RunningRedis
    gateway: RunningGateway
    stand_in: StandIn
    servers: str
    settings: dict[str, object]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """Lines of all workers since they were ready."""
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=30))

    def start_worker(self, *program: str | Path, **settings: object) -> subprocess.Popen[bytes]:
        """Start ``s1-gateway worker``, or what stands in for ``s1-gateway``."""
        told = {**self.settings, **settings, "servers": self.servers, "redis_url": self.redis.url}
        environment = os.environ | {f"S1_GATEWAY_{name.upper()}": str(value) for name, value in told.items()}
        command = [*(program or (sys.executable, "-m", "s1_gateway")), "worker"]
        worker = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        assert worker.stderr is not None
        for line in worker.stderr:
            sys.stderr.write(line.decode())
            if b"the worker is ready" in line:
                break
        threading.Thread(target=self._pass_on, args=(worker,), daemon=True).start()
        self.workers.append(worker)
        return worker

    def _pass_on(self, worker: subprocess.Popen[bytes]) -> None:
        assert worker.stderr is not None
        for line in worker.stderr:
            self.told.append(line.decode())
            sys.stderr.write(line.decode())

    def stop_workers(self, sig: int = signal.SIGTERM) -> None:
        for worker in self.workers:
            worker.send_signal(sig)
        for worker in self.workers:
            worker.wait(30)
        self.workers.clear()

    def post(self, path: str, body: object, status: int = 202, **headers: str) -> httpx2.Response:
        answer = self.http.post(f"{self.gateway.url}{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer

    def submit(self, text: str, **fields: object) -> str:
        return str(self.post("/v1/audio/speech/async", {"text": text, **fields}).json()["job_id"])

    def show(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"{self.gateway.url}/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, job_id: str, status: str = "completed", timeout_s: float = 60) -> dict[str, Any]:
        until(lambda: self.show(job_id)["status"] not in ("queued", "in_progress"), timeout_s)
        shown = self.show(job_id)
        assert shown["status"] == status, shown
        return shown

    def content(self, job_id: str) -> bytes:
        answer = self.http.get(f"{self.gateway.url}/v1/jobs/{job_id}/content")
        assert answer.status_code == 200, answer.text
        return answer.content


@contextlib.contextmanager
def running_place(folder: Path, stand_in: tuple[StandIn, str], **settings: object) -> Iterator[Place]:
    service, address = stand_in
    service.reset()
    server = RunningRedis(folder / "redis")
    server.start()
    told = {
        **FAST,
        "jobs_folder": folder / "sound",
        "webhook_secret": SECRET,
        "webhook_private": True,
        "webhook_timeout_s": 1.0,
        **settings,
    }
    try:
        with running_gateway(address, redis_url=server.url, **told) as gateway:
            place = Place(server, gateway, service, address, told)
            try:
                yield place
            finally:
                for worker in place.workers:
                    worker.kill()
                    worker.wait()
    finally:
        server.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def shared_place(
    redis_program: None, jobs_stand_in: tuple[StandIn, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with running_place(tmp_path_factory.mktemp("jobs"), jobs_stand_in) as place:
        yield place


def key_of(token: str = "anybody") -> str:
    digest = __import__("hmac").new(SECRET.encode(), f"s1-webhook:{token}".encode(), hashlib.sha256).digest()
    return "whsec_" + base64.b64encode(digest).decode()


def eventually(condition: Callable[[], object], timeout_s: float = 60) -> None:
    until(condition, timeout_s)


def sleep(seconds: float) -> None:
    time.sleep(seconds)
