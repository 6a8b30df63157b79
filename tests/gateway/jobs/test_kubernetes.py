"""The chart's gateway, worker and Redis, run as the rendered pods say: commands, variables, probes, metrics."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from s1_gateway.auth import hash_token
from s1_gateway.settings import Settings
from tests.gateway.jobs.conftest import eventually, free_port
from tests.kubernetes import Resource, environment, main_container, probes, queries
from tests.promql import Query, read_exported

PASSWORD = "a-password_of-the-tests"
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
    (folder / "tokens").write_text(f"anna {hash_token(TOKEN)} scopes=speak,jobs\n")
    redis_port, gateway_port, worker_port = free_port(), free_port(), free_port()
    gateway, worker = main_container("one-gpu", "s1-gateway"), main_container("one-gpu", "s1-worker")
    url = environment(gateway)["S1_GATEWAY_REDIS_URL"].replace("$(REDIS_PASSWORD)", PASSWORD)
    changes = {
        "S1_GATEWAY_SERVERS": jobs_stand_in[1],
        "S1_GATEWAY_REDIS_URL": re.sub(r"@[\w-]+:6379", f"@127.0.0.1:{redis_port}", url),
        "S1_GATEWAY_TOKENS_FILE": str(folder / "tokens"),
        "S1_GATEWAY_JOBS_FOLDER": str(folder / "sound"),
        "S1_GATEWAY_HOST": "127.0.0.1",  # the image's says 0.0.0.0
    }
    with ExitStack() as stack:
        stack.enter_context(running_redis(redis_port, folder))
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
def running_redis(port: int, folder: Path) -> Iterator[None]:
    """A real Redis with the arguments of the rendered pod, but for its folder and port."""
    arguments = [each.replace("$(REDIS_PASSWORD)", PASSWORD) for each in main_container("one-gpu", "s1-redis")["args"]]
    arguments = [str(folder) if each == "/data" else each for each in arguments]
    with subprocess.Popen([*arguments, "--port", str(port)], stdout=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: redis_probe(port) == 0)
            yield
        finally:
            process.kill()


def redis_probe(port: int, password: str = PASSWORD) -> int:
    """Exit code of the readiness probe of Redis."""
    (shell, option, line) = main_container("one-gpu", "s1-redis")["readinessProbe"]["exec"]["command"]
    line = line.replace("redis-cli", f"redis-cli -p {port}")
    environ = os.environ | {"REDIS_PASSWORD": password}
    return subprocess.run([shell, option, line], env=environ, capture_output=True, check=False).returncode


def test_every_probe_is_answered(pods):
    for running_pod in (pods.gateway, pods.worker):
        asked = dict(probes(running_pod.container))
        assert asked.keys() == {"startupProbe", "readinessProbe", "livenessProbe"}
        for probe in asked.values():
            eventually(lambda probe=probe, pod=running_pod: pod.ask(probe) == 200)
            assert {"name": "http", "containerPort": running_pod.own_port} in running_pod.container["ports"]


def test_redis_is_ready_for_who_knows_the_password_only(pods):
    assert redis_probe(pods.redis_port) == 0
    assert redis_probe(pods.redis_port, "wrong") != 0


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
