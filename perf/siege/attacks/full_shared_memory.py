"""A full /dev/shm, by somebody else's doing and by recordings: nobody hangs, and all is well once there is room."""

import asyncio

from perf.siege.attack import Siege
from perf.siege.attacks.hostile_recordings import file_of, tone
from perf.siege.place import SHARED_MEMORY_MB
from perf.siege.small_disks import SHARED_MEMORY
from perf.siege.tally import Tally, ToldError, gather_within
from perf.siege.triton_doors import one_answer, recording_fields, whole_stream

LONG = "This sentence is said again and again. " * 20
NUM_COLLECTORS = 8
"""Processes of ``s1_mini``, each of which holds one answer at a time; more would wait and take no more memory."""

LARGE_WITHIN_S = 120.0
"""Nobody of those who ask for much at once waits longer, unless something hangs."""

KEPT_SHARE = 0.95
"""Of the memory, what the server may have taken for good after all recordings were refused or spoken with."""


async def attack(siege: Siege, tally: Tally) -> None:
    """Recordings that are many and large, long answers, and then no room at all for a while."""
    place = siege.place
    audio = file_of(tone(15.0, channels=8), "WAV", "FLOAT")  # 21 MB
    number, num_answers = siege.number(4, 16), siege.number(4, NUM_COLLECTORS)
    asked = [whole_stream(place, text="Hello.", max_frames=4, **recording_fields(audio)) for _ in range(number)]
    asked += [one_answer(place, text=LONG, max_frames=400) for _ in range(num_answers)]
    kinds = ["a recording"] * number + ["a long answer"] * num_answers
    for kind, got in zip(kinds, await gather_within(asked, LARGE_WITHIN_S), strict=True):
        tally.note(isinstance(got, bytes | ToldError), f"{kind} of many at once: {got!r}")
    taken_mb = sum(each.stat().st_blocks * 512 for each in SHARED_MEMORY.iterdir()) / 1e6
    tally.note_most("MB of shared memory taken", taken_mb)
    tally.note(taken_mb < KEPT_SHARE * SHARED_MEMORY_MB, f"{taken_mb:.0f} MB of shared memory are kept")
    with place.disks.shared_memory.full():
        beside = [one_answer(place, text=LONG, max_frames=200) for _ in range(siege.number(2, 8))]
        beside += [whole_stream(place, text="Hello.", max_frames=8) for _ in range(siege.number(2, 8))]
        for got in await gather_within(beside):
            tally.note(isinstance(got, bytes | ToldError), f"without room: {got!r}")
    await asyncio.sleep(0.5)
