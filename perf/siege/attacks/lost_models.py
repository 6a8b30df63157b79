"""Processes of the server are killed or stopped: every caller is told or has all, and the server comes again."""

import asyncio
import signal
import time

import psutil
from perf.load.callers import ENDLESS
from perf.load.generator import StreamRequest
from perf.load.streams import Outcome, StreamRecord
from perf.siege.attack import Siege
from perf.siege.tally import Tally

from s1_client.options import SpeechOptions

MODELS = ("s1_codec", "s1_llama", "s1_voice", "s1_mini")
BEFORE_S = 0.4
REPLACED_WITHIN_S = 150.0
NUM_ENDLESS = 2
"""Streams under way that would last far longer than it may take to tell their callers."""


async def attack(siege: Siege, tally: Tally) -> None:
    """Each model and the server itself, killed and stopped; a small siege loses one model."""
    if siege.is_small:
        await _lose(siege, tally, "s1_codec", signal.SIGKILL)
        return
    for fault in (signal.SIGKILL, signal.SIGSTOP):
        for name in (*MODELS, "tritonserver"):
            await _lose(siege, tally, name, fault)


async def _lose(siege: Siege, tally: Tally, name: str, fault: signal.Signals) -> None:
    """Have callers at all doors, lose a process, and wait until another server is there."""
    place = siege.place
    before = place.tritonserver().pid
    victim = place.tritonserver() if name == "tritonserver" else siege.chance.choice(place.model_processes(name))
    under_way = asyncio.create_task(_endless(siege))
    asking = [
        asyncio.create_task(siege.proof.ask_doors(place, tally, may_be_told=True)),
        asyncio.create_task(siege.proof.ask_streams(place, tally, siege.number(4, 16), may_be_told=True)),
    ]
    await asyncio.sleep(BEFORE_S)
    victim.send_signal(fault)
    lost_s = time.monotonic()
    records = await under_way
    tally.note_most("s until all streams under way had ended", time.monotonic() - lost_s)
    for record in records:
        is_told = record.outcome is Outcome.FAILED and not record.error.startswith("DEADLINE")
        tally.note(is_told, f"{name} after {fault.name}: a stream under way was not told: {record.error or 'no error'}")
    await asyncio.gather(*asking)
    while time.monotonic() - lost_s < REPLACED_WITHIN_S:
        try:
            if place.tritonserver().pid != before and await _answers(siege):
                break
        except psutil.NoSuchProcess:
            pass
        await asyncio.sleep(0.2)
    took_s = time.monotonic() - lost_s
    tally.note_most("s until another server speaks", took_s)
    tally.note(took_s < REPLACED_WITHIN_S, f"{name} after {fault.name}: no other server came")


async def _endless(siege: Siege) -> list[StreamRecord]:
    options = [SpeechOptions(seed=seed, max_frames=4000) for seed in range(NUM_ENDLESS)]
    requests = [StreamRequest(ENDLESS, each) for each in options]
    return await siege.place.generator.open_loop(requests, [0.0] * NUM_ENDLESS)


async def _answers(siege: Siege) -> bool:
    tried = Tally()
    await siege.proof.ask_streams(siege.place, tried, 1, may_be_told=False)
    return not tried.lost
