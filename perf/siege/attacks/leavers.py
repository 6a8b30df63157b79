"""Callers of the server who leave: before the first sound, after it, and while they still wait in the queue."""

import asyncio

from perf.load.callers import ENDLESS, Caller, Kind
from perf.load.generator import StreamRequest
from perf.siege.attack import Siege
from perf.siege.place import QUEUE, SLOTS
from perf.siege.tally import Tally

from s1_client.options import SpeechOptions

NUM_STAYING = 2
"""Who must be served: so the crowd is no larger than what else fits."""


async def attack(siege: Siege, tally: Tally) -> None:
    """A crowd that leaves, and a few who stay among them."""
    number = siege.number(12, SLOTS + QUEUE - NUM_STAYING)
    requests = []
    for index in range(number):
        options = SpeechOptions(seed=siege.chance.randrange(2**31), max_frames=2000)
        leaves_at_s = None if index % 3 == 0 else siege.chance.uniform(0.0, 1.5)
        chunks = siege.chance.randint(1, 3) if leaves_at_s is None else None
        requests.append(StreamRequest(ENDLESS, options, cancel_after_chunks=chunks, cancel_after_s=leaves_at_s))
    crowd = siege.place.generator.open_loop(requests, [0.0] * number)
    staying = siege.proof.ask_streams(siege.place, tally, NUM_STAYING, may_be_told=False)
    records, _ = await asyncio.gather(crowd, staying)
    for request, record in zip(requests, records, strict=True):
        fault = Caller(Kind.LEAVING, request).fault(record)
        tally.note(not fault, fault)
