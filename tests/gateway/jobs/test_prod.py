"""The programs of docker-compose.prod.yml with its own commands, variables, secrets and health checks, without Docker.

Names of hosts, ports and folders are replaced by those of the tests; Triton is the stand-in.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import redis
import yaml
from scripts.make_secrets import make

from s1_client import Gateway, HttpError, S1Client
from s1_gateway.auth import hash_token
from tests.compose import SERVICES, interpolated
from tests.doc_pages import ROOT
from tests.gateway.jobs.conftest import free_port
from tests.gateway.running import until
from tests.gateway.stand_in import StandIn
from tests.unit.deploy.test_gateway_image import INSTRUCTIONS

CALLER = "s1_callers-token"
BIN = Path(sys.executable).parent
PORTS = ("redis", "s1-gateway", "s1-worker", "flower")


@dataclass
class Prod:
    """Everything that runs.

    Args:
        folder: For its files.
        triton: Address of the stand-in.
        ports: Of the services.
    """

    folder: Path
    triton: str
    ports: dict[str, int]

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def placed(self, text: object) -> str:
        """A text of the Compose file with the places of the tests."""
        told = (
            interpolated(text).replace("/run/secrets", str(self.secrets)).replace("/sound", str(self.folder / "sound"))
        )
        told = told.replace("8081", str(self.ports["s1-worker"])).replace("s1-tts:8001", self.triton)
        told = told.replace("0.0.0.0", "127.0.0.1").replace("127.0.0.1:8080", f"127.0.0.1:{self.ports['s1-gateway']}")
        return told.replace("127.0.0.1:5555", f"127.0.0.1:{self.ports['flower']}")

    def start(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        service = SERVICES[name]
        command = [self.placed(each) for each in service.get("command", ["s1-gateway", "serve"])]
        image = dict(part.split("=", 1) for key, text in INSTRUCTIONS if key == "ENV" for part in text.split())
        told = {variable: self.placed(value) for variable, value in service["environment"].items()}
        environment = {**os.environ, "S1_GATEWAY_HOST": image["S1_GATEWAY_HOST"], **told}
        if name == "s1-gateway":
            environment["S1_GATEWAY_PORT"] = str(self.ports[name])
        return subprocess.Popen([BIN / command[0], *command[1:], *more], env=environment, cwd=self.folder)

    def start_redis(self) -> subprocess.Popen[bytes]:
        config = (ROOT / "deploy/redis/redis.conf").read_text()
        config = config.replace("port 6379", f"port {self.ports['redis']}").replace("bind * -::*", "bind 127.0.0.1")
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        path = self.folder / "redis.conf"
        path.write_text(self.placed(config).replace("dir /data", f"dir {data}"))
        return subprocess.Popen(["redis-server", path], stdout=subprocess.DEVNULL)

    def health(self, name: str) -> subprocess.CompletedProcess[str]:
        kind, *words = SERVICES[name]["healthcheck"]["test"]
        words = [self.placed(word) for word in words]
        if name == "redis":
            words = [words[0].replace("redis-cli ", f"redis-cli -p {self.ports['redis']} ")]
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else [str(BIN / words[0]), *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    def wait_healthy(self, name: str) -> None:
        until(lambda: self.health(name).returncode == 0, 60)

    def login(self) -> tuple[str, str]:
        user, _, password = (self.secrets / "flower_password").read_text().strip().partition(":")
        return user, password


@pytest.fixture(scope="module")
def prod(
    redis_program: None, jobs_stand_in: tuple[StandIn, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prod]:
    folder = tmp_path_factory.mktemp("prod")
    jobs_stand_in[0].reset()
    made = Prod(folder, jobs_stand_in[1], {name: free_port() for name in PORTS})
    make(made.secrets)
    url = made.secrets / "redis_url"
    url.chmod(0o644)
    url.write_text(url.read_text().replace("redis:6379", f"127.0.0.1:{made.ports['redis']}"))
    with (made.secrets / "tokens").open("a") as tokens:
        tokens.write(f"anna {hash_token(CALLER)} scopes=speak,jobs\n")
    with ExitStack() as stack:
        running = {"redis": made.start_redis()}
        stack.callback(lambda: [_end(process) for process in reversed(running.values())])
        made.wait_healthy("redis")
        running["s1-gateway"] = made.start("s1-gateway")
        running["s1-worker"] = made.start("s1-worker")
        running["flower"] = made.start("flower", "--port", str(made.ports["flower"]))
        for name in ("s1-gateway", "s1-worker", "flower"):
            made.wait_healthy(name)
        yield made


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    killer = threading.Timer(40, process.kill)
    killer.start()
    process.wait()
    killer.cancel()


def client_of(prod: Prod, token: str | None) -> S1Client:
    return S1Client(gateway=Gateway(url=f"http://127.0.0.1:{prod.ports['s1-gateway']}", token=token))


def test_a_job_goes_through_and_nobody_gets_in_without_a_token(prod: Prod) -> None:
    with client_of(prod, CALLER) as client:
        taken = client.jobs.submit("Said in production.")
        assert client.jobs.wait(taken.id, deadline_s=60).status == "completed"
        assert client.jobs.content(taken.id)[:4] == b"RIFF"
    assert list((prod.folder / "sound").rglob("*"))
    with client_of(prod, None) as client, pytest.raises(HttpError) as refused:
        client.jobs.list()
    assert refused.value.status == 401


def test_prometheus_gets_the_metrics_with_its_token(prod: Prod) -> None:
    url = f"http://127.0.0.1:{prod.ports['s1-gateway']}/metrics"
    token = (prod.secrets / "metrics_token").read_text().strip()
    assert httpx2.get(url).status_code == 401
    page = httpx2.get(url, headers={"authorization": f"Bearer {token}"})
    assert "s1_gateway_jobs_records_up 1.0" in page.text
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prod.yml").read_text())["scrape_configs"]
    (found,) = [each["dns_sd_configs"][0] for each in scraped if each["job_name"] == "s1-worker"]
    assert str(found["port"]) == SERVICES["s1-worker"]["environment"]["S1_GATEWAY_WORKER_PORT"]
    worker = httpx2.get(f"http://127.0.0.1:{prod.ports['s1-worker']}/metrics")
    assert "s1_gateway_utterances_total" in worker.text
    with client_of(prod, token) as client, pytest.raises(HttpError) as refused:
        client.jobs.list()
    assert refused.value.status == 403


def test_redis_lets_nobody_in_without_its_password_and_its_user_cannot_throw_things_away(prod: Prod) -> None:
    port = prod.ports["redis"]
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(port=port).get("a")
    health = redis.Redis(port=port, username="health", password="any")
    assert health.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        health.get("a")
    user = redis.Redis.from_url((prod.secrets / "redis_url").read_text().strip())
    for command in ("FLUSHALL", "SHUTDOWN", "CONFIG GET *"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            user.execute_command(command)
    assert user.info("persistence")["aof_enabled"] == 1
    assert user.info("memory")["maxmemory_policy"] == "noeviction"


def test_flower_shows_workers_queues_and_tasks_behind_its_password_and_changes_nothing(prod: Prod) -> None:
    url = f"http://127.0.0.1:{prod.ports['flower']}"
    assert httpx2.get(f"{url}/api/workers").status_code == 401
    assert httpx2.get(url, auth=("ops", "wrong")).status_code == 401
    with httpx2.Client(base_url=url, auth=prod.login(), timeout=30) as http, client_of(prod, CALLER) as client:
        until(lambda: http.get("/api/workers", params={"refresh": 1}).json(), 60)
        (worker,) = http.get("/api/workers").json().values()
        assert {"s1.job", "s1.webhook"} <= set(worker["registered"])
        queues = {each["name"] for each in http.get("/api/queues/length").json()["active_queues"]}
        assert queues == {"s1.single", "s1.batch", "s1.webhooks"}
        before = set(http.get("/api/tasks").json())
        job_id = client.jobs.submit("Seen by flower.").id
        client.jobs.wait(job_id, deadline_s=60)

        def seen() -> list[dict[str, str]]:
            tasks = http.get("/api/tasks").json()
            new = [task for uuid, task in tasks.items() if uuid not in before]
            return [task for task in new if job_id in task["args"] and task["state"] == "SUCCESS"]

        until(seen, 60)
        assert seen()[0]["name"] == "s1.job"
        (name,) = http.get("/api/workers").json()
        assert http.post(f"/api/worker/shutdown/{name}").status_code == 403
    prod.wait_healthy("s1-worker")


def test_health_checks_tell_what_is_gone(prod: Prod) -> None:
    for name in PORTS:
        assert prod.health(name).returncode == 0
    gone = Prod(prod.folder, prod.triton, dict.fromkeys(prod.ports, free_port()))
    for name in PORTS:
        assert gone.health(name).returncode != 0


def test_passwords_are_in_no_command_line(prod: Prod) -> None:
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    told = [path.read_text().strip() for path in prod.secrets.iterdir() if path.name != "tokens"]
    passwords = [re.sub(r"^.*://s1:|@.*$|^ops:", "", text) for text in told]
    assert not [password for password in passwords if password in lines]
