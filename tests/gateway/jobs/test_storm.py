"""Nothing is lost and nothing is said twice while everything fails at random: real Redis, workers, S3 of moto.

``STORM_JOBS=1000`` runs it at full size, as ``make load-jobs`` does; ``STORM_OUT=FILE`` keeps the figures.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from s1_client import AsyncS1Client, SpeechOptions
from s1_training.development.checkpoint import write_dev_checkpoint
from tests.gateway.jobs.conftest import SHORT_LEASE, free_port, running_place
from tests.gateway.jobs.faulty_s3 import BUCKET, running_s3
from tests.gateway.jobs.storm import Samples, said_by_gateway, storm_at
from tests.gateway.stand_in import StandIn
from tests.triton.script import Script, serving

NUM_JOBS = int(os.environ.get("STORM_JOBS", "60"))
SETTINGS: dict[str, object] = {
    **SHORT_LEASE,
    "jobs_attempts": 40,
    "jobs_deaths": 50,
    "jobs_bucket": f"s3://{BUCKET}/notes",
}


@dataclass
class ServerProcess:
    """The stand-in as a process of its own, always on the same port."""

    port: int
    speedup: float
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.gateway.stand_in", "--port", str(self.port)]
        self.process = subprocess.Popen([*command, "--speedup", str(self.speedup)], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def lose(self) -> None:
        self.kill()
        self.start()


@contextlib.contextmanager
def stand_in_process() -> Iterator[ServerProcess]:
    server = ServerProcess(free_port(), 4)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def test_a_storm(redis_program: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running_s3(monkeypatch) as s3,
        stand_in_process() as server,
        running_place(tmp_path, (StandIn(), server.address), **SETTINGS) as place,
        storm_at(place, s3, server.lose) as storm,
    ):
        storm.run([{"text": f"Note {number} of a storm."} for number in range(NUM_JOBS)])
        storm.assert_well("stand-in", lambda body: said_by_gateway(place, body)).keep()


@dataclass
class SupervisedTriton:
    """A real server that is started again when it has ended, always on the same ports, as systemd does."""

    checkpoint: Path
    grpc_port: int = field(default_factory=free_port)
    running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    script: Script | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def start(self) -> None:
        self.script = self.running.enter_context(serving(self.checkpoint, f"--grpc-port={self.grpc_port}"))

    def lose(self) -> None:
        """Kill tritonserver: its launcher ends, and the next one begins."""
        assert self.script is not None
        self.script.server().send_signal(signal.SIGKILL)
        assert self.script.process.wait(60) != 0
        self.running.close()
        self.start()


@contextlib.contextmanager
def supervised_triton(checkpoint: Path) -> Iterator[SupervisedTriton]:
    triton = SupervisedTriton(checkpoint)
    with triton.running:
        triton.start()
        yield triton


@pytest.mark.triton
def test_a_storm_over_a_real_server(redis_program: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S1_DTYPE", "float32")  # the same samples in any company, bit for bit
    checkpoint = tmp_path / "tiny"
    write_dev_checkpoint(checkpoint, "tiny", seed=0)
    with (
        running_s3(monkeypatch) as s3,
        supervised_triton(checkpoint) as triton,
        running_place(tmp_path, (StandIn(), triton.address), **SETTINGS) as place,
        storm_at(place, s3, triton.lose) as storm,
    ):
        bodies = [{"text": f"Note {number}.", "seed": number, "max_frames": 24} for number in range(NUM_JOBS)]
        storm.run(bodies, is_short=True)
        storm.assert_well("Triton, dev-tiny", lambda body: asyncio.run(said_directly(triton.address, body))).keep()


async def said_directly(address: str, body: dict[str, object]) -> Samples:
    options = SpeechOptions(seed=int(str(body["seed"])), max_frames=int(str(body["max_frames"])))
    async with AsyncS1Client(address) as client:
        return np.concatenate([chunk.samples async for chunk in client.stream(str(body["text"]), options)])
