"""What has to be so after each attack: the server is up, all sounds the same, and nothing is held."""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping

import httpx2
import psutil
from perf.server.processes import ProcessGroup
from perf.siege.doors import headers_of
from perf.siege.place import Place
from perf.siege.proof import Proof
from perf.siege.small_disks import SHARED_MEMORY
from perf.siege.tally import Tally

UP_WITHIN_S = 150.0
"""A server that has ended by itself too often is started by the siege, and loads its models once more."""

FREE_WITHIN_S = 40.0
SPARE_FILES = 24
"""Open files that come and go: connections that are kept for the next caller."""

POLL_S = 0.3
_OWN = re.compile(r"shm-region-prefix-name=(\S+)|--model-repository=\S*/([^/\s]+)/models")
"""How names begin of what a server has in shared memory."""


async def look(place: Place, proof: Proof, tally: Tally, files: Mapping[str, int]) -> None:
    """Wait until everything is as it should be, and count what is not.

    Args:
        place: What was besieged.
        proof: The right sound.
        tally: Of the attack that came before.
        files: Open files of each program when nothing had been asked yet.
    """
    tally.note(await _is_up(place, proof), f"the server is not up after {UP_WITHIN_S:g} s")
    await proof.ask_doors(place, tally, may_be_told=False)
    tally.note(*await _comes_free(lambda: asyncio.to_thread(place.target.leaks, 0.0)))
    tally.note(*await _comes_free(lambda: held_by_gateway(place)))
    tally.note(*await _comes_free(lambda: _files_over(place, files)))
    tally.note(*await _comes_free(lambda: _left_regions(place)))


async def _is_up(place: Place, proof: Proof) -> bool:
    deadline_s = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < deadline_s:
        tried = Tally()
        with contextlib.suppress(psutil.NoSuchProcess, httpx2.HTTPError):
            await proof.ask_streams(place, tried, 1, may_be_told=False)
            async with httpx2.AsyncClient() as client:
                ready = await client.get(f"http://{place.gateway_address}/readyz")
            if not tried.lost and ready.status_code == 200:
                return True
        await asyncio.sleep(POLL_S)
    return False


async def _comes_free(held: Callable[[], Awaitable[list[str]]]) -> tuple[bool, str]:
    """Whether nothing is held in time; else what is, in words."""
    deadline_s = time.monotonic() + FREE_WITHIN_S
    while found := await held():
        if time.monotonic() > deadline_s:
            return False, f"held: {', '.join(found)}"
        await asyncio.sleep(POLL_S)
    return True, ""


async def held_by_gateway(place: Place) -> list[str]:
    """What the gateway says is open, in words."""
    async with httpx2.AsyncClient(headers=headers_of()) as client:
        page = (await client.get(f"http://{place.gateway_address}/metrics")).text
    series = re.findall(r"^(s1_gateway_open_\w+(?:{.*})?) (\S+)$", page, flags=re.MULTILINE)
    return [f"{name} is {value}" for name, value in series if float(value)]


async def _files_over(place: Place, files: Mapping[str, int]) -> list[str]:
    return [
        f"{name} has {now} open files, {files[name]} before"
        for name, now in open_files(place).items()
        if name in files and now > files[name] + SPARE_FILES
    ]


async def _left_regions(place: Place) -> list[str]:
    """Shared memory of servers that are gone; only where nobody else's can be in the folder."""
    if place.no_mounts:
        return []
    found = _OWN.findall(" ".join(place.tritonserver().cmdline()))
    own = tuple(name for names in found for name in names if name)
    return [each.name for each in SHARED_MEMORY.iterdir() if not each.name.startswith(own)]


def open_files(place: Place) -> dict[str, int]:
    """Open files of the programs, by name; of several of one name, the most."""
    found: dict[str, int] = {}
    for daemon in place.daemons:
        for process in daemon.family():
            with contextlib.suppress(psutil.Error):
                name = f"{daemon.name}'s {process.name()}"
                found[name] = max(process.num_fds(), found.get(name, 0))
    return found


def memory_mb(place: Place) -> dict[str, float]:
    """Memory of the programs' own, by name, and what is taken of the small shared memory, which counts once."""
    found = {}
    for daemon in place.daemons:
        with contextlib.suppress(psutil.Error):
            for name, size in ProcessGroup(daemon.process.pid).own_mb().items():
                found[f"{daemon.name}'s {name}"] = size
    if not place.no_mounts:
        sizes = (each.stat().st_blocks * 512 for each in SHARED_MEMORY.iterdir())
        found["shared memory"] = sum(sizes) / 1e6
    return found
