"""One token floods the gateway, another one's short notes are among it: how many turns does each of them wait?"""

import asyncio
import time
from dataclasses import dataclass, field

import httpx2
from perf.load.fairness import TURNS_A_SLOT, turns_between
from perf.siege.attack import Siege
from perf.siege.doors import http_of
from perf.siege.place import ATTACKER, QUEUE, SLOTS, Place
from perf.siege.tally import HANG_S, Tally

MOST_TURNS = TURNS_A_SLOT * SLOTS
NOTE_FRAMES = 6
FLOOD_FRAMES = (360, 450, 540, 630)
"""A turn takes far longer than the way of a request, which would be counted as turns else."""


@dataclass
class _Heard:
    """When streams of the flood began to sound, on this process's clock."""

    begun_s: list[float] = field(default_factory=list)
    num_refused: int = 0


async def attack(siege: Siege, tally: Tally) -> None:
    """The flood keeps more in the queue than its share; notes come one after the other."""
    heard = _Heard()
    flood = [
        asyncio.create_task(_flood(siege.place, heard, FLOOD_FRAMES[index % len(FLOOD_FRAMES)]))
        for index in range(SLOTS + QUEUE)
    ]
    try:
        await _until_waiting(siege, len(flood) // 2 - SLOTS)
        for index in range(siege.number(2, 12)):
            await _note(siege, tally, heard, index)
    finally:
        for task in flood:
            task.cancel()
        results = await asyncio.gather(*flood, return_exceptions=True)
    for result in results:
        if not isinstance(result, asyncio.CancelledError):
            tally.note(result is None, f"a stream of the flood: {result!r}")
    tally.figures["streams of the flood that began"] = len(heard.begun_s)
    tally.figures["requests of the flood that were refused"] = heard.num_refused


async def _note(siege: Siege, tally: Tally, heard: _Heard, index: int) -> None:
    waiting = await asyncio.to_thread(siege.place.target.metrics)
    sent_s = time.monotonic()
    begun_s = await _speak(siege.place, "anna", NOTE_FRAMES, 100 + index)
    if begun_s is None:
        tally.note(False, f"the note {index} was refused beside a flood of another caller")
        return
    turns = turns_between(sent_s, begun_s, heard.begun_s)
    tally.note_most("most turns that a note waited", turns)
    tally.note_most("most that waited when it came", waiting["s1_lm_waiting_sequences"])
    tally.note(turns <= MOST_TURNS, f"the note {index} waited {turns} turns; allowed: {MOST_TURNS}")


async def _flood(place: Place, heard: _Heard, max_frames: int) -> None:
    """One of the flood's callers, who asks again and again until it is cancelled."""
    while True:
        begun_s = await _speak(place, ATTACKER, max_frames, 1)
        if begun_s is None:
            heard.num_refused += 1
            await asyncio.sleep(0.2)
        else:
            heard.begun_s.append(begun_s)


async def _speak(place: Place, token: str, max_frames: int, seed: int) -> float | None:
    """Say a text to its end; gives when it began to sound, or None if it was refused.

    Raises:
        httpx2.HTTPError: the answer broke off, or was an error that is no refusal.
    """
    body = {"model": "m", "voice": "default", "input": "A few words.", "response_format": "pcm", "seed": seed}
    begun_s = None
    async with (
        asyncio.timeout(HANG_S),
        http_of(place, token) as client,
        client.stream("POST", "/v1/audio/speech", json={**body, "max_frames": max_frames}) as answer,
    ):
        if answer.status_code in (httpx2.codes.SERVICE_UNAVAILABLE, httpx2.codes.TOO_MANY_REQUESTS):
            return None
        answer.raise_for_status()
        async for _ in answer.aiter_bytes():
            begun_s = begun_s or time.monotonic()
    return begun_s


async def _until_waiting(siege: Siege, number: int) -> None:
    async with asyncio.timeout(HANG_S):
        while (  # noqa: ASYNC110  # the server tells nobody but its metrics
            await asyncio.to_thread(siege.place.target.metrics)
        )["s1_lm_waiting_sequences"] < number:
            await asyncio.sleep(0.1)
