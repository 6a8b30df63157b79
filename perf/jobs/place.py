"""Redis, gateway and workers, for as long as jobs are measured."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from perf.errors import MeasurementError
from perf.gateway import programs
from perf.gateway.programs import BIN, Program
from redis import Redis

from s1_gateway.auth import hash_token
from s1_gateway.jobs.ledger import PREFIX

TOKEN = "s1_measured"
CORES = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Place:
    """Where jobs are kept and taken.

    Args:
        url: Of Redis.
        gateway: The gateway.
        redis: Redis' process.
        environment: Variables of gateway and workers.
    """

    url: str
    gateway: Program
    redis: Program
    environment: dict[str, str]

    def records(self) -> Redis:
        """A connection to the records."""
        return Redis.from_url(self.url, decode_responses=True)

    def num_over(self) -> int:
        """Jobs that are completed; one that failed is an error.

        Raises:
            MeasurementError: a job failed.
        """
        counts = self.records().hgetall(f"{PREFIX}counts")
        if "failed" in counts:
            raise MeasurementError(f"jobs failed: {counts}")
        return int(counts.get("completed", 0))


def pinned(command: list[str | Path], cores: list[int] | None) -> list[str | Path]:
    """The command, on some cores only."""
    return command if cores is None else ["taskset", "-c", ",".join(map(str, cores)), *command]


@contextmanager
def running_place(
    servers: str, *, gateway_cores: list[int] | None = None, redis_cores: list[int] | None = None
) -> Iterator[Place]:
    """Run Redis, with an append-only file, and a gateway.

    Args:
        servers: gRPC addresses of the servers.
        gateway_cores: Where the gateway runs; None: anywhere.
        redis_cores: Where Redis runs.

    Raises:
        MeasurementError: there is no ``redis-server``.
    """
    if shutil.which("redis-server") is None:
        raise MeasurementError("redis-server is not installed: apt-get install redis-server")
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
        probe.close()
        redis_command: list[str | Path] = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder]
        redis_command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
        environment = {
            "S1_GATEWAY_REDIS_URL": f"redis://127.0.0.1:{port}/0",
            "S1_GATEWAY_SERVERS": servers,
            "S1_GATEWAY_JOBS_FOLDER": f"{folder}/sound",
            "S1_GATEWAY_JOBS_MAX_BATCH": "10000",
            "S1_GATEWAY_TOKENS": f"measured {hash_token(TOKEN)} scopes=jobs",
        }
        gateway_command: list[str | Path] = [BIN / "s1-gateway", "serve", "--port", "0"]
        with (
            programs.running(pinned(redis_command, redis_cores), "(Ready) to accept") as records,
            programs.running(pinned(gateway_command, gateway_cores), r"ready on http://(\S+)", environment) as gateway,
        ):
            yield Place(environment["S1_GATEWAY_REDIS_URL"], gateway, records, environment)


@contextmanager
def running_worker(place: Place, streams: int) -> Iterator[Program]:
    """Run a worker that speaks so many jobs at once."""
    environment = {**place.environment, "S1_GATEWAY_JOBS_STREAMS": str(streams)}
    command: list[str | Path] = [sys.executable, "-m", "s1_gateway", "worker"]
    with programs.running(command, "(the worker is ready)", environment) as worker:
        yield worker
