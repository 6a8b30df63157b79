"""One token floods the gateway, another one's short notes are among it: how many turns does each of them wait?"""

import asyncio
import itertools
from collections.abc import Callable
from functools import partial

import httpx2
from perf.load.fairness import FLOOD_FRAMES, MOST_TURNS, NOTE_FRAMES
from perf.load.held_flood import HeldFlood
from perf.siege.attack import Siege
from perf.siege.doors import http_of
from perf.siege.place import ATTACKER, QUEUE, SLOTS, Place
from perf.siege.tally import HANG_S, Tally

REFUSALS = frozenset({httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.GATEWAY_TIMEOUT})
"""The last one is for requests that waited longer than the gateway does."""


async def attack(siege: Siege, tally: Tally) -> None:
    """The flood keeps more in the queue than its share; notes come one after the other."""
    numbers = itertools.count()

    async def ask(begun: Callable[[], None]) -> bool:
        return await _speak(siege.place, ATTACKER, FLOOD_FRAMES, next(numbers), begun)

    async with HeldFlood(ask, SLOTS + QUEUE, siege.place.target.metrics) as flood:
        for index in range(siege.number(1, 12)):
            async with asyncio.timeout(HANG_S):
                note = partial(_speak, siege.place, "anna", NOTE_FRAMES, 100 + index)
                turns, was_taken = await flood.turns_beside(note)
            tally.note_most("most turns that a note waited", turns)
            tally.note(was_taken, f"the note {index} was refused beside a flood of another caller")
            tally.note(turns <= MOST_TURNS, f"the note {index} waited {turns} turns; allowed: {MOST_TURNS}")
    for fault in flood.faults:
        tally.note(False, fault)
    tally.figures["streams of the flood that began"] = flood.num_begun
    tally.figures["requests of the flood that were refused"] = flood.num_refused


async def _speak(place: Place, token: str, max_frames: int, seed: int, begun: Callable[[], None]) -> bool:
    """Say a text to its end; gives whether it was taken.

    Raises:
        httpx2.HTTPError: the answer broke off, or was an error that is no refusal.
    """
    body = {"model": "m", "voice": "default", "input": "A few words.", "response_format": "pcm", "seed": seed}
    is_heard = False
    async with (
        http_of(place, token) as client,
        client.stream("POST", "/v1/audio/speech", json={**body, "max_frames": max_frames}) as answer,
    ):
        if answer.status_code in REFUSALS:
            return False
        answer.raise_for_status()
        async for _ in answer.aiter_bytes():
            if not is_heard:
                is_heard = True
                begun()
    return True
