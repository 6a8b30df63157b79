"""Hundreds of callers who leave whenever they like, and thousands of strange bytes: nothing is left of them."""

import asyncio
import gc
import json
import random
import weakref
from collections.abc import Awaitable, Callable, Sequence

import httpx2
import msgpack
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from s1_client import AsyncS1Client, SpeechOptions, SpeechStream
from s1_gateway.auth import Caller, Scope
from s1_gateway.encoding import AudioFormat, SoundEncoder, SoundSpec
from s1_gateway.limits import Limits
from s1_gateway.metrics import Door, Metrics
from s1_gateway.sentence_turns import SentenceTurn
from s1_gateway.settings import Settings
from s1_gateway.speech import Answer, Speech, SpeechOrder
from s1_gateway.turns import Turn
from tests.gateway.hearing import assert_said, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn
from tests.gateway.strange_messages import strange_json

TEXT = "Hello there, this is what I have to say."
LONG_TEXT = "This is a sentence of some length that takes a while to be said. " * 10
CROWD = 20
"""Streams that are open at the same time before half of the callers leave."""

Leave = Callable[[RunningGateway, asyncio.Event, random.Random], Awaitable[None]]
HELD = (Answer, SpeechStream, SoundEncoder, Turn, SentenceTurn)
"""Where a stream's memory is."""


def held() -> list[object]:
    gc.collect()
    # a proxy of what is gone cannot even be asked for its class
    return [each for each in gc.get_objects() if issubclass(type(each), HELD)]


def tasks_of(gateway: RunningGateway) -> int:
    async def count() -> int:
        return len(asyncio.all_tasks())

    return asyncio.run_coroutine_threadsafe(count(), gateway.loop).result()


async def leave_http(gateway: RunningGateway, crowd: asyncio.Event, chance: random.Random) -> None:
    form = chance.choice(["pcm", "mp3", "opus", "wav"])
    request = {"model": "m", "voice": "alloy", "input": LONG_TEXT, "response_format": form}
    async with httpx2.AsyncClient(timeout=None) as client:
        asking = asyncio.create_task(client.post(f"{gateway.url}/v1/audio/speech", json=request))
        await wait_by_chance(crowd, chance)
        asking.cancel()
        await asyncio.wait({asking})


async def leave_socket(gateway: RunningGateway, crowd: asyncio.Event, chance: random.Random) -> None:
    async with connect(gateway.socket_url + "/ws/tts", open_timeout=None) as socket:
        for _ in range(chance.randint(1, 3)):
            await socket.send(json.dumps({"text": LONG_TEXT, "context_id": str(chance.random())}))
        await wait_by_chance(crowd, chance)
        if chance.random() < 0.3:
            await socket.send(json.dumps({"cancel": True}))
        if chance.random() < 0.5:
            socket.transport.abort()


async def wait_by_chance(crowd: asyncio.Event, chance: random.Random) -> None:
    """Half of the callers stay until there is a crowd, so that there is one however slow the machine is."""
    if chance.random() < 0.5:
        await crowd.wait()
    await asyncio.sleep(chance.random())


async def leave_fish(gateway: RunningGateway, crowd: asyncio.Event, chance: random.Random) -> None:
    async with connect(gateway.socket_url + "/v1/tts/live", open_timeout=None) as socket:
        request = {"text": "", "format": chance.choice(["pcm", "wav", "mp3", "opus"])}
        for event in ({"event": "start", "request": request}, {"event": "text", "text": LONG_TEXT}):
            await socket.send(msgpack.packb(event))
        await wait_by_chance(crowd, chance)
        if chance.random() < 0.5:
            await socket.send(msgpack.packb({"event": "stop"}))
        if chance.random() < 0.5:
            socket.transport.abort()


async def leave_cartesia(gateway: RunningGateway, crowd: asyncio.Event, chance: random.Random) -> None:
    sound = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000}
    async with connect(gateway.socket_url + "/tts/websocket", open_timeout=None) as socket:
        for name in range(chance.randint(1, 3)):
            message = {"context_id": str(name), "transcript": LONG_TEXT, "output_format": sound}
            await socket.send(json.dumps({**message, "continue": chance.random() < 0.5}))
        await wait_by_chance(crowd, chance)
        if chance.random() < 0.3:
            await socket.send(json.dumps({"context_id": "0", "cancel": True}))
        if chance.random() < 0.5:
            socket.transport.abort()


async def storm(gateway: RunningGateway, stand_in: StandIn, leave: Sequence[Leave]) -> None:
    chance = random.Random(7)
    seeds = [random.Random(chance.random()) for _ in range(200)]
    crowd = asyncio.Event()
    callers = [leave[index % len(leave)](gateway, crowd, seed) for index, seed in enumerate(seeds)]
    leaving = asyncio.gather(*callers)
    while stand_in.num_open <= CROWD:  # noqa: ASYNC110  # the server tells nobody
        await asyncio.sleep(0.01)
    crowd.set()
    await leaving


def test_nothing_is_left_of_200_callers_who_hang_up_by_chance(
    shared_stand_in: tuple[StandIn, str], stand_in: StandIn
) -> None:
    stand_in.speedup = 0.5
    # callers, gateway and server share this process, in which a handshake may take its time
    with running_gateway(shared_stand_in[1], handshake_s=100) as gateway:
        before = tasks_of(gateway)
        asyncio.run(storm(gateway, stand_in, [leave_http, leave_socket, leave_fish, leave_cartesia]))
        until(lambda: gateway.num_open == 0 and stand_in.num_open == 0, 60.0)
        until(lambda: tasks_of(gateway) <= before, 60.0)
        assert stand_in.num_cancelled > CROWD
        # collecting may begin the end of a generator, which is then for the gateway's loop
        until(lambda: not held(), 60.0)
        page = httpx2.get(f"{gateway.url}/metrics").text
        for door in ("live", "fish_live", "cartesia"):
            assert f's1_gateway_open_sockets{{door="{door}"}} 0.0' in page


async def test_an_answer_of_which_nothing_was_taken_is_let_go_without_a_collection(
    shared_stand_in: tuple[StandIn, str], stand_in: StandIn
) -> None:
    stand_in.speedup = 0.5
    settings = Settings.load({}, servers=shared_stand_in[1])
    limits = Limits(settings)
    order = SpeechOrder(
        text=LONG_TEXT,
        options=SpeechOptions(),
        sound=SoundSpec(AudioFormat.PCM_S16LE),
        door=Door.OPENAI,
        caller=Caller(name="caller", scopes=frozenset({Scope.SPEAK})),
    )
    async with AsyncS1Client(settings.servers) as client:
        answer = await Speech(client, limits, Metrics(lambda: limits.num_open), settings).begin(order)
        gone = weakref.ref(answer)
        gc.disable()
        try:
            await answer.aclose()
            del answer
            await asyncio.to_thread(until, lambda: gone() is None, 60.0)
        finally:
            gc.enable()
    assert limits.num_open == 0


async def test_strange_messages_are_answered_and_hold_nothing(gateway: RunningGateway, stand_in: StandIn) -> None:
    chance = random.Random(3)
    message = {"text": "Hi.", "voice": "alloy", "format": "pcm", "sample_rate": 24_000, "seed": 1, "context_id": "a"}
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        reading = asyncio.create_task(_read_all(socket))
        for _ in range(500):
            await socket.send(strange_json(chance, message))
        await socket.send(json.dumps({"cancel": True}))
        await socket.send(json.dumps({"text": TEXT, "context_id": "whole"}))
        told = await reading
    assert told["errors"] > 100
    assert told["internal"] == 0
    await asyncio.to_thread(until, lambda: gateway.num_open == 0 and stand_in.num_open == 0)


async def _read_all(socket) -> dict[str, int]:
    told = {"errors": 0, "internal": 0}
    try:
        async for message in socket:
            if isinstance(message, bytes):
                continue
            answer = json.loads(message)
            if "error" in answer:
                told["errors"] += 1
                told["internal"] += answer["error"]["status"] >= 500
            if answer.get("context_id") == "whole" and "done" in answer:
                return told
    except ConnectionClosed:
        told["internal"] += 1
    return told


def test_strange_bodies_are_answered_and_hold_nothing(gateway: RunningGateway, stand_in: StandIn) -> None:
    chance = random.Random(5)
    body = {"model": "m", "voice": "alloy", "input": "Hi.", "response_format": "pcm", "speed": 1.0, "seed": 1}
    statuses = set()
    with httpx2.Client() as client:
        for _ in range(500):
            answer = client.post(f"{gateway.url}/v1/audio/speech", content=strange_json(chance, body))
            statuses.add(answer.status_code)
            if answer.status_code != 200:
                assert answer.json()["error"]["message"]
        assert statuses == {200, 400}
        request = {"model": "m", "voice": "alloy", "input": TEXT, "response_format": "pcm"}
        assert_said(hear_pcm(client.post(f"{gateway.url}/v1/audio/speech", json=request).content, 24_000), TEXT)
    until(lambda: gateway.num_open == 0 and stand_in.num_open == 0)
