"""Two engines, two gateways and two workers on this machine, and what is between them."""

import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.rollout import named
from tests.rollout.balancer import Balancer, balancing
from tests.rollout.pods import BIN, Kind, Pod

FIRST_HOST = 10
"""Engines have addresses of their own, 127.0.0.10 and on, as pods have, and one port."""


@dataclass(eq=False)
class Fleet:
    """All of it.

    Args:
        balancer: Before the gateways.
        pods: What runs.
        kinds: What can run.
        log: Where all lines go.
    """

    balancer: Balancer
    kinds: dict[str, Kind]
    log: Path
    pods: list[Pod] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def start(self, kind: str) -> Pod:
        """Start one more of a kind."""
        number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
        pod = Pod(self.kinds[kind], number, self.log.open("a", encoding="utf-8"))
        self.pods.append(pod)
        pod.start()
        return pod


class Hosts:
    """The file that stands for a headless Service's records."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._addresses: list[str] = []
        file.write_text("")

    def add(self, address: str) -> None:
        """One address more."""
        self._addresses.append(address)
        self._write()

    def remove(self, address: str) -> None:
        """One less."""
        self._addresses.remove(address)
        self._write()

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text("\n".join(self._addresses))
        new.replace(self._file)


def free_port() -> int:
    """A port that is free on every address of the loopback."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_fleet(folder: Path, checkpoint: Path, redis_url: str, drain_s: float) -> Iterator[Fleet]:
    """Start two of each.

    Args:
        folder: For logs, sound and the file of names.
        checkpoint: What the engines serve.
        redis_url: Where jobs are kept.
        drain_s: How long streams may go on in an engine or a gateway that is stopped, and jobs in a worker.
    """
    hosts = Hosts(folder / "hosts")
    grpc, http, metrics = free_port(), free_port(), free_port()

    def engine(number: int) -> list[str]:
        ports = ["--grpc-port", str(grpc), "--http-port", str(http), "--metrics-port", str(metrics)]
        host = f"127.0.0.{FIRST_HOST + number}"
        return [str(BIN / "s1-tts-serve"), "--checkpoint", str(checkpoint), "--host", host, "--device", "cpu", *ports]

    def gateway(command: str) -> list[str]:
        return [sys.executable, "-m", named.__name__, command]

    told = {
        named.FILE_VARIABLE: str(folder / "hosts"),
        "S1_GATEWAY_SERVERS": f"dns:///{named.NAME}:{grpc}",
        "S1_GATEWAY_PORT": "0",
        "S1_GATEWAY_RESOLVE_S": "0.5",
        "S1_GATEWAY_STALL_S": "120",
        "S1_GATEWAY_REDIS_URL": redis_url,
        "S1_GATEWAY_JOBS_FOLDER": str(folder / "sound"),
        "S1_GATEWAY_JOBS_STREAMS": "8",
        "S1_GATEWAY_JOBS_GRACE_S": str(drain_s),
        "S1_GATEWAY_DRAIN_S": str(drain_s),
    }
    serves = {"S1_DTYPE": "float32", "S1_DRAIN_S": str(drain_s), "S1_MAX_QUEUE": "256"}
    with balancing() as balancer:
        kinds = {
            "engine": Kind("engine", r"ready on (\S+): ", engine, serves, hosts.add, hosts.remove),
            "gateway": Kind(
                "gateway",
                r"ready on http://(\S+)",
                lambda _: gateway("serve"),
                told,
                balancer.add,
                balancer.remove,
            ),
            "worker": Kind(
                "worker", "the worker is ready", lambda _: gateway("worker"), told, lambda _: None, lambda _: None
            ),
        }
        fleet = Fleet(balancer, kinds, folder / "log.txt")
        try:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(fleet.start, ["engine"] * 2))
                list(pool.map(fleet.start, ["gateway", "worker"] * 2))
            yield fleet
        finally:
            with ThreadPoolExecutor(len(fleet.pods) or 1) as pool:
                list(pool.map(Pod.kill, fleet.pods))
