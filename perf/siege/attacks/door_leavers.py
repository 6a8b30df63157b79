"""Callers of the gateway who hang up: at every door, politely or not, before the first sound or in the midst of it."""

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable

import httpx2
import msgpack
from perf.siege.attack import Siege
from perf.siege.doors import CARTESIA_FORMAT, RATE_HZ, http_of, socket_of
from perf.siege.place import ATTACKER, Place
from perf.siege.tally import Tally, gather_within
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

LONG = "This is a sentence of some length that takes a while to be said. " * 10
LONGEST_STAY_S = 1.5

Leave = Callable[[Place, random.Random], Awaitable[None]]


async def leave_openai(place: Place, chance: random.Random) -> None:
    """Hang up on a body."""
    form = chance.choice(["pcm", "mp3", "opus", "wav"])
    await _leave_body(
        place, "/v1/audio/speech", {"model": "m", "voice": "v", "input": LONG, "response_format": form}, chance
    )


async def leave_fish(place: Place, chance: random.Random) -> None:
    """The same at Fish's door."""
    await _leave_body(place, "/v1/tts", {"text": LONG, "format": chance.choice(["pcm", "mp3", "opus", "wav"])}, chance)


async def leave_live(place: Place, chance: random.Random) -> None:
    """Leave our own WebSocket, some after a cancel."""
    async with socket_of(place, "/v1/audio/stream", ATTACKER) as socket:
        for name in range(chance.randint(1, 3)):
            await socket.send(json.dumps({"text": LONG, "context_id": str(name)}))
        await _leave_socket(socket, chance, json.dumps({"cancel": True}))


async def leave_cartesia(place: Place, chance: random.Random) -> None:
    """Leave Cartesia's, some after a cancel."""
    async with socket_of(place, "/tts/websocket", ATTACKER) as socket:
        for name in range(chance.randint(1, 3)):
            message = {"context_id": str(name), "transcript": LONG, "output_format": CARTESIA_FORMAT}
            await socket.send(json.dumps({**message, "continue": chance.random() < 0.5}))
        await _leave_socket(socket, chance, json.dumps({"context_id": "0", "cancel": True}))


async def leave_fish_live(place: Place, chance: random.Random) -> None:
    """Leave Fish's, some after a stop."""
    async with socket_of(place, "/v1/tts/live", ATTACKER) as socket:
        request = {"text": "", "format": "pcm", "sample_rate": RATE_HZ}
        for event in ({"event": "start", "request": request}, {"event": "text", "text": LONG}):
            await socket.send(msgpack.packb(event))
        await _leave_socket(socket, chance, msgpack.packb({"event": "stop"}))


async def leave_job(place: Place, chance: random.Random) -> None:
    """Cancel a job, some while it is spoken."""
    async with http_of(place, ATTACKER) as client:
        made = await client.post("/v1/audio/speech/async", json={"text": LONG})
        await asyncio.sleep(chance.uniform(0, LONGEST_STAY_S))
        answer = await client.delete(f"/v1/jobs/{made.json()['job_id']}")
        answer.raise_for_status()


LEAVING: tuple[Leave, ...] = (leave_openai, leave_fish, leave_live, leave_cartesia, leave_fish_live, leave_job)


async def attack(siege: Siege, tally: Tally) -> None:
    """A crowd that leaves by all doors, and callers who stay at each."""
    number = siege.number(2, 8)
    seeds = [random.Random(siege.chance.random()) for _ in range(number * len(LEAVING))]
    crowd = [LEAVING[index % len(LEAVING)](siege.place, seed) for index, seed in enumerate(seeds)]
    results, _ = await asyncio.gather(
        gather_within(crowd), siege.proof.ask_doors(siege.place, tally, may_be_told=False)
    )
    for result in results:
        tally.note(result is None, f"while leaving: {result!r}")


async def _leave_body(place: Place, path: str, body: dict[str, str], chance: random.Random) -> None:
    async with http_of(place, ATTACKER) as client:
        asking = asyncio.create_task(client.post(path, json=body))
        await asyncio.sleep(chance.uniform(0, LONGEST_STAY_S))
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError, httpx2.HTTPError):
            await asking


async def _leave_socket(socket: ClientConnection, chance: random.Random, goodbye: str | bytes) -> None:
    await asyncio.sleep(chance.uniform(0, LONGEST_STAY_S))
    with contextlib.suppress(ConnectionClosed):
        if chance.random() < 0.3:
            await socket.send(goodbye)
    if chance.random() < 0.5:
        socket.transport.abort()
