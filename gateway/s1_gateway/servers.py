"""The Triton servers behind the gateway: which there are now, and how they look."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from s1_client import AsyncS1Client, S1ClientError
from s1_gateway.metrics import Metrics

log = logging.getLogger(__name__)

DNS = "dns:///"


async def resolve(target: str) -> list[str]:
    """Addresses that a name stands for now, sorted; none if it stands for none.

    Args:
        target: ``dns:///host:port``.
    """
    host, _, port = target.removeprefix(DNS).rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        log.warning("%s stands for no server now: %s", host, error)
        return []
    addresses = {(family, address[0]) for family, _, _, _, address in found}
    return sorted(f"[{host}]:{port}" if family is socket.AF_INET6 else f"{host}:{port}" for family, host in addresses)


@asynccontextmanager
async def following_servers(
    servers: Sequence[str], client: AsyncS1Client, metrics: Metrics, every_s: float
) -> AsyncGenerator[None]:
    """Keep a client's servers and their gauges true.

    Args:
        servers: Addresses, or one ``dns:///host:port``.
        client: Whose they are.
        metrics: Where their gauges are.
        every_s: How often.
    """
    if servers[0].startswith(DNS):
        await client.set_servers(await resolve(servers[0]))
    following = asyncio.create_task(_follow(servers, client, metrics, every_s))
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait({following})


async def _follow(servers: Sequence[str], client: AsyncS1Client, metrics: Metrics, every_s: float) -> None:
    while True:
        if servers[0].startswith(DNS) and (found := await resolve(servers[0])):
            # a name that stands for nothing is more often a fault of DNS than the end of all servers
            await client.set_servers(found)
        try:
            await client.health()  # remembers of each whether it answers
        except S1ClientError as error:
            log.warning("no server answers: %s", error)
        except Exception:  # it must go on: nobody else would notice servers that come and go
            log.exception("the servers cannot be looked at")
        metrics.show_servers(client.servers)
        await asyncio.sleep(every_s)
