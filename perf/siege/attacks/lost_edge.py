"""Gateway, worker and Redis are killed or stopped: no job that was taken is lost, and every caller is told."""

import asyncio
import signal

from perf.siege.attack import Siege
from perf.siege.daemon import Daemon
from perf.siege.doors import job_sound, submit_job
from perf.siege.proof import ASK
from perf.siege.tally import HANG_S, Tally, ToldError, gather_within

BEFORE_S = 0.3
STOPPED_S = 4.0
"""Longer than the lease of a job."""


async def attack(siege: Siege, tally: Tally) -> None:
    """Each is killed and, in a full siege, stopped for a while, with callers at all doors and jobs under way."""
    place = siege.place
    for daemon in (place.worker, place.gateway, place.redis):
        await _lose(siege, tally, daemon, signal.SIGKILL)
        if not siege.is_small:
            await _lose(siege, tally, daemon, signal.SIGSTOP)


async def _lose(siege: Siege, tally: Tally, daemon: Daemon, fault: signal.Signals) -> None:
    place = siege.place
    made = await gather_within([submit_job(place, ASK) for _ in range(siege.number(3, 12))])
    taken = [each for each in made if isinstance(each, str)]
    for each in made:
        tally.note(isinstance(each, str | ToldError), f"a job before {daemon.name} was lost: {each!r}")
    if daemon is place.redis and fault == signal.SIGKILL:
        await asyncio.sleep(1.5)  # it writes once a second, and what it takes in that second may be lost with it
    asking = asyncio.create_task(siege.proof.ask_doors(place, tally, may_be_told=True))
    await asyncio.sleep(BEFORE_S)
    num_ready = daemon.num_ready
    daemon.process.send_signal(fault)
    if fault == signal.SIGSTOP:
        await asyncio.sleep(STOPPED_S)
        daemon.process.send_signal(signal.SIGCONT)
    else:
        async with asyncio.timeout(HANG_S):
            while daemon.num_ready == num_ready:  # noqa: ASYNC110  # it tells nobody but its output
                await asyncio.sleep(0.1)
    await asking
    sounds = (
        tally.note_sound(
            job_sound(place, job_id), siege.proof.sounds["job"], f"a job over {daemon.name}", may_be_told=False
        )
        for job_id in taken
    )
    await asyncio.gather(*sounds)
