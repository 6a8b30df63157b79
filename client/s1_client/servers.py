"""The servers behind one client: which of them a request goes to, and which are left alone for a while."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from s1_client.address import check_url
from s1_client.connection import Connection, Health
from s1_client.errors import UnreachableError
from s1_client.policy import Pick
from s1_protocol.names import ModelName

FIRST_REST_S = 0.2
MAX_REST_S = 10.0


@dataclass(frozen=True)
class ServerState:
    """How one of several servers looks from here.

    Args:
        url: Its address.
        num_open: Requests of this client that it works on.
        num_failures: Times that it was found gone since it last answered.
        is_resting: Whether it is left alone for now.
    """

    url: str
    num_open: int
    num_failures: int
    is_resting: bool


class Server:
    """One of the servers.

    Args:
        connection: To it.
        now_s: A clock that never goes back.
    """

    def __init__(self, connection: Connection, now_s: Callable[[], float] = time.monotonic) -> None:
        self.connection = connection
        self.num_open = 0
        self._now_s = now_s
        self._num_failures = 0
        self._is_on_trial = False
        self.rests_until_s = 0.0

    @property
    def is_resting(self) -> bool:
        """Whether it is left alone for now."""
        return self._now_s() < self.rests_until_s

    @property
    def state(self) -> ServerState:
        """How it looks from here."""
        return ServerState(self.connection.url, self.num_open, self._num_failures, self.is_resting)

    def chosen(self) -> None:
        """A request goes to it; after a failure this is a trial, and further requests wait for how it ends."""
        if self._num_failures:
            self._is_on_trial = True
            self._rest()

    def succeeded(self) -> None:
        """It answered, if only with a refusal."""
        self._num_failures = 0
        self._is_on_trial = False
        self.rests_until_s = 0.0

    def failed(self) -> None:
        """It is gone; streams that break together are one failure."""
        if self.is_resting and not self._is_on_trial:
            return
        self._num_failures += 1
        self._is_on_trial = False
        self._rest()

    def _rest(self) -> None:
        self.rests_until_s = self._now_s() + min(FIRST_REST_S * 2.0 ** (self._num_failures - 1), MAX_REST_S)


class ServerPool:
    """Chooses a server for each request, on one event loop.

    Args:
        urls: Addresses of the servers; there may be none for now.
        connect: Makes a connection.
        pick: How one is chosen.

    Raises:
        ValueError: an address cannot be one.
    """

    def __init__(self, urls: Sequence[str], connect: Callable[[str], Connection], pick: Pick) -> None:
        self._connect = connect
        self._pick = pick
        self._servers = {url: Server(connect(url)) for url in _checked(urls)}
        self._leaving: set[Server] = set()
        self._turn = 0

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Connections to all servers."""
        return tuple(server.connection for server in self._servers.values())

    def states(self) -> tuple[ServerState, ...]:
        """How the servers look from here."""
        return tuple(server.state for server in self._servers.values())

    async def set_servers(self, urls: Sequence[str]) -> None:
        """Replace the servers; one that leaves ends the streams it has, and its connection is closed then.

        Raises:
            ValueError: an address cannot be one; nothing is changed.
        """
        kept = {url: self._servers.get(url) or Server(self._connect(url)) for url in _checked(urls)}
        gone = [server for url, server in self._servers.items() if url not in kept]
        self._servers = kept
        self._leaving.update(gone)
        for server in gone:
            await self._close_if_left(server)

    def choose(self, tried: Collection[Server] = ()) -> Server:
        """The server for a request, counted as chosen.

        Args:
            tried: Those that have just been asked.

        Raises:
            UnreachableError: there is no other.
        """
        servers = list(self._servers.values())
        start = self._turn % len(servers) if servers else 0
        others = [server for server in (*servers[start:], *servers[:start]) if server not in tried]
        if not others:
            raise UnreachableError(", ".join(self._servers) or "any address", "no server is known")
        awake = [server for server in others if not server.is_resting]
        if not awake:  # none is known to be well, so the one is tried that has the best chance
            chosen = min(others, key=lambda server: server.rests_until_s)
        elif self._pick is Pick.LEAST_OPEN:
            chosen = min(awake, key=lambda server: server.num_open)  # of equals the next in turn
        else:
            chosen = awake[0]
        self._turn = servers.index(chosen) + 1
        chosen.chosen()
        return chosen

    def has_other(self, tried: Collection[Server]) -> bool:
        """Whether there is a server that has not just been asked."""
        return any(server not in tried for server in self._servers.values())

    @asynccontextmanager
    async def using(self, server: Server) -> AsyncIterator[Connection]:
        """Count a request as open while it lasts."""
        server.num_open += 1
        try:
            yield server.connection
        finally:
            server.num_open -= 1
            await self._close_if_left(server)

    async def health(self) -> Health:
        """Ask all servers how they are, and remember it.

        Returns:
            What can be asked of the servers together.

        Raises:
            UnreachableError: none answers.
        """
        servers = list(self._servers.values())
        answers = await asyncio.gather(*(server.connection.health() for server in servers), return_exceptions=True)
        healths, errors = [], []
        for server, answer in zip(servers, answers, strict=True):
            if isinstance(answer, Health):
                server.succeeded()
                healths.append(answer)
            elif isinstance(answer, UnreachableError):
                server.failed()
                errors.append(answer)
            else:
                raise answer
        if not healths:
            raise errors[0] if errors else UnreachableError("any address", "no server is known")
        return Health(
            is_ready=any(health.is_ready for health in healths),
            models=frozenset[ModelName]().union(*(health.models for health in healths)),
        )

    async def close(self) -> None:
        """Close all connections; requests that are under way are cancelled."""
        for server in (*self._servers.values(), *self._leaving):
            await server.connection.close()
        self._leaving.clear()

    async def _close_if_left(self, server: Server) -> None:
        if server in self._leaving and not server.num_open:
            self._leaving.remove(server)
            await server.connection.close()


def _checked(urls: Sequence[str]) -> list[str]:
    return [check_url(url) for url in dict.fromkeys(urls)]
