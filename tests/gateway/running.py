"""A gateway that really runs, in a thread of the tests' process."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from s1_gateway.serving import GatewayServer, make_server
from s1_gateway.settings import Settings


@dataclass(frozen=True, eq=False)
class RunningGateway:
    """A gateway and where it is.

    Args:
        server: The running server.
        address: Host and port.
    """

    server: GatewayServer
    address: str

    @property
    def url(self) -> str:
        """Base of HTTP addresses."""
        return f"http://{self.address}"

    @property
    def socket_url(self) -> str:
        """Base of WebSocket addresses."""
        return f"ws://{self.address}"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where it runs."""
        return self.server.servers[0].get_loop()

    @property
    def num_open(self) -> int:
        """Utterances that the gateway thinks are under way."""
        return self.server.limits.num_open


@contextmanager
def running_gateway(servers: str, **settings: object) -> Iterator[RunningGateway]:
    """Run a gateway.

    Args:
        servers: Addresses of the servers behind it.
        settings: Others than the defaults.
    """
    server = make_server(Settings.load({}, **{"host": "127.0.0.1", "port": 0, "servers": servers, **settings}))
    thread = threading.Thread(target=server.run, name="gateway")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            time.sleep(0.005)
        yield RunningGateway(server, f"127.0.0.1:{server.port}")
    finally:
        server.should_exit = True
        thread.join()


def until(condition: object, timeout_s: float = 60.0) -> None:
    """Wait for something that tells nobody when it happens.

    Args:
        condition: Called until it is true.
        timeout_s: Only so that a test that fails comes to an end.
    """
    assert callable(condition)
    ends_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_s, "it did not happen"
        time.sleep(0.005)
