"""``s1-gateway`` where the name of a headless Service stands for what a file lists: there is no cluster's DNS here.

``python -m tests.rollout.named serve`` is the gateway's own command. Only the answer for a name is made up; how often
it is asked for and what becomes of it is the gateway's doing.
"""

import asyncio
import os
from pathlib import Path

from s1_gateway import servers

NAME = "engines.rollout.test"
FILE_VARIABLE = "ROLLOUT_HOSTS"


async def resolve(target: str) -> list[str]:
    """Addresses that the file lists, with the target's port."""
    port = target.rpartition(":")[2]
    hosts = await asyncio.to_thread(Path(os.environ[FILE_VARIABLE]).read_text, encoding="utf-8")
    return [f"{host}:{port}" for host in hosts.split()]


if __name__ == "__main__":
    from s1_gateway.command import app

    servers.resolve = resolve
    app()
