"""What is besieged: a server, a gateway, a worker and a Redis of the siege's own, each started again when it ends."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import tritonclient.grpc.aio as grpcclient
from perf.load.generator import LoadGenerator
from perf.load.scripted_server import Target
from perf.siege.daemon import Daemon
from perf.siege.small_disks import SHARED_MEMORY, SmallDisk

from s1_gateway.auth import hash_token

BIN = Path(sys.executable).parent
SLOTS = 4
QUEUE = 32
STREAM_TIMEOUT_S = 60.0
ATTACKER = "mallory"
TOKENS = {"anna": "a token of the siege", ATTACKER: "another token of the siege"}
"""Who asks for what must come, and who floods, leaves and does not read: each has a share of the queue."""

SCOPES = "speak,voices,jobs,metrics"
SILENT_S = 4
"""A caller who takes nothing for so long is cut off by the gateway."""

SHARED_MEMORY_MB = 512
"""A third of what recordings from anybody need, and so the sooner full; the server warns of it."""

SERVER_SETTINGS = {
    "S1_DTYPE": "float32",  # only then has each stream the samples that it has alone
    "S1_MAX_SLOTS": str(SLOTS),
    "S1_MAX_QUEUE": str(QUEUE),
}
EDGE_SETTINGS = {
    "SEND_S": str(SILENT_S),
    "STALL_S": "20",
    "JOBS_LEASE_S": "3",
    "JOBS_BACKOFF_S": "0.2",
    "JOBS_GRACE_S": "2",
    "JOBS_ATTEMPTS": "100",  # of a siege each job sees many faults
    "JOBS_DEATHS": "100",
}
SPARED = ("S1_", "S1_GATEWAY_")
"""Variables of the shell that starts the siege that do not hold in it."""


@dataclass(frozen=True)
class Disks:
    """Where each program writes; small disks of their own where that is possible.

    Args:
        log: The server's log.
        voices: The voice store is in it.
        sound: The sound of jobs is in it.
        redis: Redis' file is in it.
        shared_memory: ``/dev/shm``.
    """

    log: SmallDisk
    voices: SmallDisk
    sound: SmallDisk
    redis: SmallDisk
    shared_memory: SmallDisk

    @classmethod
    def under(cls, folder: Path) -> "Disks":
        """Disks in a folder."""
        return cls(
            log=SmallDisk(folder / "log", 2),
            voices=SmallDisk(folder / "voices", 4),
            sound=SmallDisk(folder / "sound", 8),
            redis=SmallDisk(folder / "redis", 8),
            shared_memory=SmallDisk(SHARED_MEMORY, SHARED_MEMORY_MB),
        )

    @property
    def all(self) -> tuple[SmallDisk, ...]:
        """All of them."""
        return (self.log, self.voices, self.sound, self.redis, self.shared_memory)


@dataclass(frozen=True)
class Place:
    """What is besieged.

    Args:
        checkpoint: Folder of the weights.
        folder: Where all of it writes.
        disks: Where each part writes.
        no_mounts: Why there are no small disks; empty if there are.
        server: ``s1-tts-serve --restart``.
        gateway: ``s1-gateway serve``.
        worker: ``s1-gateway worker``.
        redis: ``redis-server`` with a file.
        server_ports: Its ports of gRPC, HTTP and metrics.
        gateway_port: Its port.
        triton: A connection to the server.
        generator: Another one, for judged streams.
    """

    checkpoint: Path
    folder: Path
    disks: Disks
    no_mounts: str
    server: Daemon
    gateway: Daemon
    worker: Daemon
    redis: Daemon
    server_ports: tuple[int, int, int]
    gateway_port: int
    triton: grpcclient.InferenceServerClient
    generator: LoadGenerator

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """All programs, in the order in which they start."""
        return (self.redis, self.server, self.gateway, self.worker)

    @property
    def gateway_address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.gateway_port}"

    @property
    def http_port(self) -> int:
        """The server's port of HTTP."""
        return self.server_ports[1]

    @property
    def voices_folder(self) -> Path:
        """The voice store."""
        return self.disks.voices.folder / "store"

    @property
    def target(self) -> Target:
        """Where the server is, for those who read its metrics."""
        grpc, _, metrics = self.server_ports
        return Target(f"127.0.0.1:{grpc}", f"http://127.0.0.1:{metrics}/metrics", self.tritonserver().pid)

    def tritonserver(self) -> psutil.Process:
        """The server's own process.

        Raises:
            psutil.NoSuchProcess: it is gone.
        """
        found = [each for each in self.server.family() if _name_of(each) == "tritonserver"]
        if not found:
            raise psutil.NoSuchProcess(0, "tritonserver")
        return found[0]

    def model_processes(self, model: str) -> list[psutil.Process]:
        """Processes of a model."""
        return [each for each in self.server.family() if any(f"/{model}/1/model.py" in word for word in _words(each))]

    def process_ids(self) -> frozenset[int]:
        """Ids of all processes that are not to change unless something is killed on purpose."""
        with contextlib.suppress(psutil.NoSuchProcess):
            edge = [daemon.process.pid for daemon in (self.gateway, self.worker, self.redis)]
            return frozenset({self.tritonserver().pid, *edge})
        return frozenset()


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def _name_of(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.name()
    return ""


@contextlib.asynccontextmanager
async def besieged(checkpoint: Path, folder: Path, no_mounts: str) -> AsyncIterator[Place]:
    """Start everything, keep it running while the block lasts, stop it.

    Args:
        checkpoint: Folder of the weights.
        folder: Where all of it may write.
        no_mounts: Why there are no small disks; empty if they can be mounted.

    Raises:
        MeasurementError: a part did not start.
    """
    disks = Disks.under(folder)
    for disk in disks.all:
        if no_mounts:
            disk.folder.mkdir(parents=True, exist_ok=True)
        else:
            disk.mount()
    ports = _free_ports(5)
    grpc, http, metrics, gateway, redis = ports
    names = {name: value for name, value in os.environ.items() if not name.startswith(SPARED)}
    edge = names | {f"S1_GATEWAY_{name}": value for name, value in EDGE_SETTINGS.items()}
    edge["S1_GATEWAY_REDIS_URL"] = f"redis://127.0.0.1:{redis}/0"
    edge["S1_GATEWAY_SERVERS"] = f"127.0.0.1:{grpc}"
    edge["S1_GATEWAY_JOBS_FOLDER"] = str(disks.sound.folder / "jobs")
    edge["S1_GATEWAY_TOKENS"] = ";".join(f"{name} {hash_token(t)} scopes={SCOPES}" for name, t in TOKENS.items())
    server_command: list[str | Path] = [BIN / "s1-tts-serve", "--restart", "--device", "cpu"]
    server_command += ["--checkpoint", checkpoint, "--log", disks.log.folder / "server.log"]
    server_command += ["--grpc-port", str(grpc), "--http-port", str(http), "--metrics-port", str(metrics)]
    voices = {"S1_VOICES": str(disks.voices.folder / "store")}
    redis_command: list[str | Path] = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", ""]
    redis_command += ["--appendonly", "yes", "--appendfsync", "everysec", "--dir", disks.redis.folder]
    redis_command += ["--maxmemory-policy", "noeviction"]
    async with AsyncExitStack() as stack:
        place = Place(
            checkpoint,
            folder,
            disks,
            no_mounts,
            Daemon("server", server_command, names | SERVER_SETTINGS | voices, "ready on", folder / "server.out"),
            Daemon(
                "gateway",
                [BIN / "s1-gateway", "serve", "--port", str(gateway)],
                edge,
                "ready on",
                folder / "gateway.out",
            ),
            Daemon("worker", [BIN / "s1-gateway", "worker"], edge, "the worker is ready", folder / "worker.out"),
            Daemon("redis", redis_command, names, "Ready to accept connections", folder / "redis.out"),
            (grpc, http, metrics),
            gateway,
            await stack.enter_async_context(grpcclient.InferenceServerClient(f"127.0.0.1:{grpc}")),
            await stack.enter_async_context(LoadGenerator(f"127.0.0.1:{grpc}", STREAM_TIMEOUT_S)),
        )
        tending: list[asyncio.Task[None]] = []
        try:
            await asyncio.gather(place.redis.start(), place.server.start())
            await asyncio.gather(place.gateway.start(), place.worker.start())
            tending += [asyncio.create_task(daemon.tend()) for daemon in place.daemons]
            yield place
        finally:
            for task in tending:
                task.cancel()
            await asyncio.gather(*tending, return_exceptions=True)
            for daemon in reversed(place.daemons):
                await daemon.stop()


def _free_ports(number: int) -> list[int]:
    """Ports that are free now; all are taken before the first is given back, so that no two are alike."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
