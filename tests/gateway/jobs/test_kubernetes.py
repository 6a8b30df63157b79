"""The chart's gateway, worker and Redis, run as the rendered pods say: commands, variables, probes, metrics."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import redis
from scripts.make_secrets import make as make_secrets

from s1_gateway.auth import hash_token
from s1_gateway.settings import Settings
from tests.gateway.jobs.conftest import eventually, free_port
from tests.kubernetes import Resource, environment, main_container, of_kind, probes, queries
from tests.promql import Query, read_exported

TOKEN = "s1_of-the-tests"
TARGET_LABELS = {"namespace", "app_kubernetes_io_instance", "app_kubernetes_io_component"}
"""Given by Prometheus to what it reads."""


@dataclass
class Running:
    """A container's command, running here.

    Args:
        container: As rendered.
        port: Where its own port is.
        process: It.
    """

    container: Resource
    port: int
    process: subprocess.Popen[bytes]

    @property
    def own_port(self) -> int:
        """The port in its pod."""
        return int(environment(self.container).get("S1_GATEWAY_WORKER_PORT", Settings.model_fields["port"].default))

    def has_started(self) -> bool:
        """Whether its startup probe is answered."""
        with suppress(httpx2.TransportError):
            return self.ask(self.container["startupProbe"]) == 200
        assert self.process.poll() is None, "it ended"
        return False

    def ask(self, probe: Resource) -> int:
        """Status of a probe by HTTP."""
        return httpx2.get(f"http://127.0.0.1:{self.port}{probe['httpGet']['path']}", timeout=30).status_code

    def page(self) -> str:
        """Its metrics."""
        return httpx2.get(f"http://127.0.0.1:{self.port}/metrics", timeout=30).text


@contextmanager
def running(container: Resource, port: int, changes: dict[str, str], folder: Path) -> Iterator[Running]:
    """Run a gateway's or worker's command with its variables, but for addresses and files."""
    told = {name: value for name, value in environment(container).items() if name.startswith("S1_")} | changes
    keeps = {name: value for name, value in os.environ.items() if not name.startswith("S1_")}
    command = [sys.executable, "-m", container["args"][0].replace("-", "_"), *container["args"][1:]]
    with (folder / f"{container['name']}.log").open("w") as log:
        process = subprocess.Popen(command, env=keeps | told, stderr=log, cwd=folder)
        try:
            yield Running(container, port, process)
        finally:
            process.kill()
            process.wait()


@dataclass
class Pods:
    """All that runs."""

    gateway: Running
    worker: Running
    redis_port: int


@pytest.fixture(scope="module")
def pods(redis_program, jobs_stand_in, tmp_path_factory) -> Iterator[Pods]:
    folder = tmp_path_factory.mktemp("pods")
    redis_port, gateway_port, worker_port = free_port(), free_port(), free_port()
    gateway, worker = main_container("one-gpu", "s1-gateway"), main_container("one-gpu", "s1-worker")
    files = folder / "secrets"
    make_secrets(files)
    (files / "tokens").write_text(f"anna {hash_token(TOKEN)} scopes=speak,jobs\n")
    url = (files / "redis_url").read_text().replace("redis:6379", f"127.0.0.1:{redis_port}")
    (files / "redis_url").chmod(0o600)
    (files / "redis_url").write_text(url)
    changes = {
        "S1_GATEWAY_SERVERS": jobs_stand_in[1],
        **{f"S1_GATEWAY_{name.upper()}_FILE": str(files / name) for name in ("redis_url", "tokens")},
        "S1_GATEWAY_JOBS_FOLDER": str(folder / "sound"),
        "S1_GATEWAY_HOST": "127.0.0.1",  # the image's says 0.0.0.0
    }
    with ExitStack() as stack:
        stack.enter_context(running_redis(redis_port, folder, files))
        started = [
            stack.enter_context(running(container, port, changes | {setting: str(port)}, folder))
            for container, port, setting in (
                (gateway, gateway_port, "S1_GATEWAY_PORT"),
                (worker, worker_port, "S1_GATEWAY_WORKER_PORT"),
            )
        ]
        for each in started:
            eventually(lambda each=each: each.has_started())
        yield Pods(*started, redis_port)


@contextmanager
def running_redis(port: int, folder: Path, files: Path) -> Iterator[None]:
    """A real Redis with the configuration of the rendered pod, but for its folders and port."""
    (configuration,) = of_kind("one-gpu", "ConfigMap").values()
    text = configuration["data"]["redis.conf"].replace("/run/secrets/redis_users", str(files / "redis_users"))
    text = text.replace("dir /data", f"dir {folder}").replace("port 6379", f"port {port}")
    (folder / "redis.conf").write_text(text.replace("bind * -::*", "bind 127.0.0.1"))
    program = main_container("one-gpu", "s1-redis")["args"][0]
    with subprocess.Popen([program, str(folder / "redis.conf")], stdout=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: redis_probe(port) == 0)
            yield
        finally:
            process.kill()


def redis_probe(port: int) -> int:
    """Exit code of the readiness probe of Redis."""
    command = main_container("one-gpu", "s1-redis")["readinessProbe"]["exec"]["command"]
    command = [each.replace("redis-cli", f"redis-cli -p {port}") for each in command]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_every_probe_is_answered(pods):
    for running_pod in (pods.gateway, pods.worker):
        asked = dict(probes(running_pod.container))
        assert asked.keys() == {"startupProbe", "readinessProbe", "livenessProbe"}
        for probe in asked.values():
            eventually(lambda probe=probe, pod=running_pod: pod.ask(probe) == 200)
            assert {"name": "http", "containerPort": running_pod.own_port} in running_pod.container["ports"]


def test_redis_is_ready_and_lets_nobody_in_without_the_password(pods):
    assert redis_probe(pods.redis_port) == 0
    with redis.Redis(port=pods.redis_port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.get("s1:jobs:anything")
    assert redis_probe(free_port()) != 0


def test_a_job_is_said(pods):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    url = f"http://127.0.0.1:{pods.gateway.port}"
    made = httpx2.post(f"{url}/v1/audio/speech/async", json={"text": "Said in pods."}, headers=bearer)
    assert made.status_code == 202, made.text
    job = f"{url}/v1/jobs/{made.json()['job_id']}"
    eventually(lambda: httpx2.get(job, headers=bearer).json()["status"] == "completed")


@pytest.mark.parametrize("name", [name for name in queries("eks") if name != "s1-calls"])
def test_the_autoscaler_asks_for_what_the_gateway_shows(pods, name):
    exported = read_exported(pods.gateway.page())
    query = Query.of(queries("eks")[name])
    assert query.metrics <= exported.keys()
    assert query.labels <= set().union(*(exported[metric] for metric in query.metrics))
    assert {label for _, label, _ in query.matched} == TARGET_LABELS


def test_they_end_at_sigterm_within_their_grace(pods):
    for running_pod in (pods.worker, pods.gateway):
        running_pod.process.send_signal(signal.SIGTERM)
    for running_pod in (pods.worker, pods.gateway):
        assert running_pod.process.wait(60) == 0
