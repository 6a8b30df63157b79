"""Gateway, worker and Redis are killed or stopped: no job that was taken is lost, and every caller is told."""

import asyncio
import signal
from collections.abc import Sequence

from perf.siege.attack import Siege
from perf.siege.daemon import Daemon
from perf.siege.doors import job_sound, submit_job
from perf.siege.proof import ASK
from perf.siege.tally import HANG_S, Tally, ToldError, gather_within

BEFORE_S = 0.3
STOPPED_S = 4.0
"""Longer than the lease of a job."""


async def attack(siege: Siege, tally: Tally) -> None:
    """Each is killed and stopped for a while, with callers at all doors and jobs under way; then all are killed."""
    place = siege.place
    edge = (place.worker, place.gateway, place.redis)
    if not siege.is_small:
        for daemon in edge:
            await _lose(siege, tally, [daemon], signal.SIGKILL)
            await _lose(siege, tally, [daemon], signal.SIGSTOP)
    await _lose(siege, tally, edge, signal.SIGKILL)


async def _lose(siege: Siege, tally: Tally, daemons: Sequence[Daemon], fault: signal.Signals) -> None:
    place = siege.place
    names = " and ".join(daemon.name for daemon in daemons)
    made = await gather_within([submit_job(place, ASK) for _ in range(siege.number(3, 12))])
    taken = [each for each in made if isinstance(each, str)]
    for each in made:
        tally.note(isinstance(each, str | ToldError), f"a job before {names} was lost: {each!r}")
    asking = asyncio.create_task(siege.proof.ask_doors(place, tally, may_be_told=True))
    await asyncio.sleep(BEFORE_S)
    ready = [daemon.num_ready for daemon in daemons]
    for daemon in daemons:
        daemon.process.send_signal(fault)
    if fault == signal.SIGSTOP:
        await asyncio.sleep(STOPPED_S)
        for daemon in daemons:
            daemon.process.send_signal(signal.SIGCONT)
    else:
        async with asyncio.timeout(HANG_S):
            await asyncio.gather(*(_ready_again(*each) for each in zip(daemons, ready, strict=True)))
    await asking
    sounds = (
        tally.note_sound(job_sound(place, job_id), siege.proof.sounds["job"], f"a job over {names}", may_be_told=False)
        for job_id in taken
    )
    await asyncio.gather(*sounds)


async def _ready_again(daemon: Daemon, before: int) -> None:
    """Wait until a program has said once more that it is ready; it tells nobody but its output."""
    while daemon.num_ready == before:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
