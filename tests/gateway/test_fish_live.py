"""Fish Audio's WebSocket: its own SDK, LiveKit's plugin, and what neither of them tries."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import fish_audio_sdk
import fishaudio
import httpx_ws
import msgpack
import pytest
from fishaudio.exceptions import WebSocketError
from fishaudio.types import FlushEvent, TextEvent, TTSConfig
from livekit.agents import APIConnectOptions, APIStatusError
from livekit.plugins import fishaudio as livekit_fish
from websockets.asyncio.client import ClientConnection, connect

from s1_protocol.names import Field
from tests.gateway.hearing import Heard, assert_said, hear_file, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble, seconds_of

FIRST = "Hello there, this is the first thing that I have to say."
SECOND = "And this is the second one."
LONG = "This sentence is said again and again, and then it is said once more. " * 6
ONCE = APIConnectOptions(max_retry=0)

Event = dict[str, Any]


async def send(socket: ClientConnection, event: str, **fields: Any) -> None:
    await socket.send(msgpack.packb({"event": event, **fields}))


async def start(socket: ClientConnection, **request: Any) -> None:
    await send(socket, "start", request={"text": "", "format": "pcm", "sample_rate": 24_000, **request})


async def listen(socket: ClientConnection) -> tuple[bytes, Event]:
    """Take everything up to ``finish``."""
    sound = b""
    while True:
        message = await socket.recv()
        assert isinstance(message, bytes)
        assert len(message) <= 65_536
        event = msgpack.unpackb(message)
        if event["event"] == "finish":
            assert event["reason"] in ("stop", "error")
            return sound, event
        assert event.keys() == {"event", "audio"}
        sound += event["audio"]


def live(gateway: RunningGateway) -> connect:
    return connect(f"{gateway.socket_url}/v1/tts/live", additional_headers={"model": "s1"})


def written(*texts: str) -> Iterator[str]:
    """As a language model writes."""
    for text in texts:
        for word in text.split(" "):
            yield f"{word} "


@pytest.mark.parametrize("form", ["mp3", "wav", "opus", "pcm"])
def test_the_sdk_streams_a_text_that_is_being_written(gateway: RunningGateway, stand_in: StandIn, form: str) -> None:
    with fishaudio.FishAudio(api_key="unused", base_url=gateway.url) as fish:
        config = TTSConfig(format=form, sample_rate=24_000 if form == "pcm" else None)
        sound = b"".join(fish.tts.stream_websocket(written(FIRST, SECOND), config=config))
    assert stand_in.texts == [FIRST, SECOND]
    heard = hear_pcm(sound, 24_000) if form == "pcm" else hear_file(sound)
    assert abs(heard.duration_s - seconds_of(FIRST) - seconds_of(SECOND)) < 0.1
    assert abs(heard.pitch_hz - 440) < 2


def test_the_sdk_flushes(gateway: RunningGateway, stand_in: StandIn) -> None:
    events = [TextEvent(text="Hello there"), FlushEvent(), FlushEvent(), TextEvent(text=SECOND)]
    with fishaudio.FishAudio(api_key="unused", base_url=gateway.url) as fish:
        sound = b"".join(fish.tts.stream_websocket(iter(events), config=TTSConfig(format="wav")))
    assert stand_in.texts == ["Hello there", SECOND]
    assert abs(hear_file(sound).duration_s - seconds_of("Hello there") - seconds_of(SECOND)) < 0.1


async def test_the_async_client(gateway: RunningGateway) -> None:
    async def text() -> AsyncIterator[str]:
        for piece in written(FIRST):
            yield piece

    async with fishaudio.AsyncFishAudio(api_key="unused", base_url=gateway.url) as fish:
        pieces = [piece async for piece in fish.tts.stream_websocket(text(), config=TTSConfig(format="wav"))]
    assert_said(hear_file(b"".join(pieces)), FIRST)


def test_the_older_package(gateway: RunningGateway) -> None:
    with fish_audio_sdk.WebSocketSession("unused", base_url=gateway.url) as session:
        request = fish_audio_sdk.TTSRequest(text="", format="wav", sample_rate=16_000)
        heard = hear_file(b"".join(session.tts(request, written(FIRST))))
    assert heard.rate_hz == 16_000
    assert_said(heard, FIRST)


def test_the_sdk_raises_where_speech_fails(gateway: RunningGateway) -> None:
    with fishaudio.FishAudio(api_key="unused", base_url=gateway.url) as fish:
        with pytest.raises(WebSocketError):
            list(fish.tts.stream_websocket(iter([f"{FIRST} {Trouble.BREAK}"])))
        assert_said(hear_file(b"".join(fish.tts.stream_websocket(iter([FIRST])))), FIRST)


def test_a_refused_handshake_has_a_status(shared_stand_in: tuple[StandIn, str]) -> None:
    with running_gateway(shared_stand_in[1], tokens="anna sha256:" + "0" * 64) as gateway:
        fish = fishaudio.FishAudio(api_key="wrong", base_url=gateway.url)
        with fish, pytest.raises(httpx_ws.WebSocketUpgradeError) as refused:
            list(fish.tts.stream_websocket(iter([FIRST])))
        assert refused.value.response.status_code == 401


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def heard_in(frames: list) -> Heard:
    (rate_hz,) = {frame.sample_rate for frame in frames}
    return hear_pcm(b"".join(bytes(frame.data) for frame in frames), rate_hz)


def livekit(gateway: RunningGateway, http: aiohttp.ClientSession, **options: Any) -> livekit_fish.TTS:
    return livekit_fish.TTS(api_key="unused", base_url=gateway.url, http_session=http, **options)


async def speak_turn(tts: livekit_fish.TTS, *texts: str) -> Heard:
    async with tts.stream(conn_options=ONCE) as stream:
        for piece in written(*texts):
            stream.push_text(piece)
        stream.end_input()
        return heard_in([event.frame async for event in stream])


@pytest.mark.parametrize("options", [{}, {"output_format": "mp3"}, {"output_format": "opus"}, {"output_format": "pcm"}])
async def test_livekit_speaks_turn_after_turn_on_one_socket(
    gateway: RunningGateway, stand_in: StandIn, http: aiohttp.ClientSession, options: dict[str, str]
) -> None:
    async with livekit(gateway, http, **options) as tts:
        for _ in range(2):
            heard = await speak_turn(tts, FIRST, SECOND)
            assert abs(heard.duration_s - seconds_of(FIRST) - seconds_of(SECOND)) < 0.15
            assert abs(heard.pitch_hz - 440) < 2
        assert len(tts._pool._connections) == 1
    # its default voice is an id that nobody has here
    assert {request.get(Field.VOICE) for request in stand_in.requests} == {None}
    assert len({request[Field.SEED] for request in stand_in.requests}) == 1


@pytest.mark.parametrize("options", [{}, {"output_format": "mp3"}, {"output_format": "opus"}, {"output_format": "pcm"}])
async def test_livekit_speaks_one_text_over_http(
    gateway: RunningGateway, http: aiohttp.ClientSession, options: dict[str, str]
) -> None:
    async with livekit(gateway, http, **options) as tts, tts.synthesize(FIRST, conn_options=ONCE) as stream:
        assert_said(heard_in([event.frame async for event in stream]), FIRST, within_s=0.15)


async def test_livekit_is_interrupted_and_speaks_again(
    gateway: RunningGateway, stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    stand_in.speedup = 1.0
    async with livekit(gateway, http) as tts:
        stream = tts.stream(conn_options=ONCE)
        stream.push_text(LONG)
        stream.end_input()
        await anext(aiter(stream))
        await stream.aclose()
        # LiveKit closes the socket of an interrupted turn when it opens the one of the next
        stand_in.speedup = float("inf")
        assert_said(await speak_turn(tts, FIRST), FIRST, within_s=0.15)
        await asyncio.to_thread(until, lambda: stand_in.num_open == 0 and gateway.num_open == 0)
        assert stand_in.num_cancelled >= 1


async def test_livekit_learns_of_an_error(
    gateway: RunningGateway, stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    async with livekit(gateway, http) as tts:
        with pytest.raises(APIStatusError) as failed:
            await speak_turn(tts, f"{Trouble.INVALID} is what you hear.")
        assert "temperature: got 9" in str(failed.value.body)
        assert_said(await speak_turn(tts, FIRST), FIRST, within_s=0.15)


async def test_text_without_a_flush_is_cut_and_spoken(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with live(gateway) as socket:
        await start(socket)
        await send(socket, "text", text=f"{FIRST} And")
        assert msgpack.unpackb(await socket.recv())["event"] == "audio"
        assert stand_in.texts == [FIRST]
        await send(socket, "text", text=" that is all")
        await send(socket, "stop")
        await listen(socket)
        assert stand_in.texts == [FIRST, "And that is all"]


async def test_an_empty_flush_and_a_start_without_text_are_no_errors(gateway: RunningGateway) -> None:
    async with live(gateway) as socket:
        for form in ("pcm", "wav", "mp3", "opus"):
            await start(socket, format=form, sample_rate=None)
            for event in ("flush", "flush", "stop"):
                await send(socket, event)
            assert await listen(socket) == (b"", {"event": "finish", "reason": "stop"})
            await start(socket, format=form, sample_rate=None)
            await send(socket, "text", text=" … ")
            await send(socket, "stop")
            assert await listen(socket) == (b"", {"event": "finish", "reason": "stop"})


async def test_starts_that_follow_each_other_are_said_in_order(gateway: RunningGateway) -> None:
    rates = (8_000, 16_000, 44_100)
    async with live(gateway) as socket:
        for rate_hz in rates:
            await start(socket, sample_rate=rate_hz)
            await send(socket, "text", text=FIRST)
            await send(socket, "stop")
        for rate_hz in rates:
            sound, end = await listen(socket)
            assert end["reason"] == "stop"
            assert_said(hear_pcm(sound, rate_hz), FIRST)


async def test_prosody_and_options(gateway: RunningGateway, stand_in: StandIn) -> None:
    prosody = {"speed": 2.0, "volume": None, "normalize_loudness": None}
    async with live(gateway) as socket:
        await start(socket, prosody=prosody, temperature=0.3, reference_id=None, top_p=None)
        await send(socket, "text", text=FIRST)
        await send(socket, "stop")
        sound, _ = await listen(socket)
    assert_said(hear_pcm(sound, 24_000), FIRST, speed=2.0, within_s=0.15)
    (request,) = stand_in.requests
    assert request[Field.TEMPERATURE] == pytest.approx(0.3)
    assert request[Field.TOP_P] == pytest.approx(0.7)
    assert request[Field.SERVICE] == "call"


async def test_a_full_server_is_waited_for_and_silence_keeps_the_caller(
    gateway: RunningGateway, stand_in: StandIn
) -> None:
    stand_in.is_full = True
    async with live(gateway) as socket:
        await start(socket)
        await send(socket, "text", text=FIRST)
        await send(socket, "flush")
        begun_s = time.monotonic()
        silence = msgpack.unpackb(await socket.recv())["audio"]
        assert set(silence) == {0}
        assert time.monotonic() - begun_s < 3 + 2  # 2 s, on a machine that is busy
        stand_in.is_full = False
        await send(socket, "stop")
        sound, end = await listen(socket)
    assert end["reason"] == "stop"
    assert_said(hear_pcm(sound.lstrip(b"\0")[: len(sound) // 2 * 2 - 2000], 24_000), FIRST, within_s=0.4)


async def test_a_server_that_stalls_is_bridged_by_silence(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with live(gateway) as socket:
        await start(socket)
        await send(socket, "text", text=f"Hello there, {Trouble.STALL}")
        await send(socket, "flush")
        assert any(msgpack.unpackb(await socket.recv())["audio"])
        pieces = [msgpack.unpackb(await socket.recv())["audio"] for _ in range(2)]
        assert set(pieces[-1]) == {0}


async def test_who_writes_slowly_hears_no_silence(gateway: RunningGateway) -> None:
    async with live(gateway) as socket:
        await start(socket)
        await send(socket, "text", text="Hello there")
        await asyncio.sleep(3)
        await send(socket, "stop")
        sound, _ = await listen(socket)
    assert_said(hear_pcm(sound, 24_000), "Hello there")


async def test_sound_does_not_run_ahead_from_sentence_to_sentence(gateway: RunningGateway) -> None:
    async with live(gateway) as socket:
        await start(socket)
        for _ in range(6):
            await send(socket, "text", text="This is said.")
            await send(socket, "flush")
        begun_s, came_s = time.monotonic(), 0.0
        while came_s < 3:
            came_s += len(msgpack.unpackb(await socket.recv())["audio"]) / 48_000
            # 1.5 s ahead, and a message more
            assert came_s <= time.monotonic() - begun_s + 1.5 + 0.3


async def test_an_open_start_holds_nothing_while_nothing_is_said(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with live(gateway) as socket:
        await start(socket)
        for _ in range(2):
            await send(socket, "text", text="Yes.")
            await send(socket, "flush")
            await socket.recv()
            await asyncio.to_thread(until, lambda: gateway.num_open == 0 and stand_in.num_open == 0)


async def test_text_goes_on_after_an_error_as_pipecat_does(gateway: RunningGateway) -> None:
    async with live(gateway) as socket:
        await start(socket)
        await send(socket, "text", text=Trouble.INVALID)
        await send(socket, "flush")
        _, end = await listen(socket)
        assert end == {"event": "finish", "reason": "error", "message": "temperature: got 9; allowed: 0 to 2"}
        await send(socket, "text", text=FIRST)
        await send(socket, "stop")
        sound, end = await listen(socket)
        assert end["reason"] == "stop"
        assert_said(hear_pcm(sound, 24_000), FIRST)


@pytest.mark.parametrize("form", ["pcm", "opus"])
async def test_who_chooses_a_greatest_length_gets_it(gateway: RunningGateway, form: str) -> None:
    async with live(gateway) as socket:
        await start(socket, format=form, sample_rate=None, max_frames=20)
        await send(socket, "text", text=FIRST)
        await send(socket, "stop")
        sound, end = await listen(socket)
        assert end["reason"] == "stop"
        heard = hear_pcm(sound, 44_100) if form == "pcm" else hear_file(sound)
        assert abs(heard.duration_s - 20 * 2048 / 44_100) < 0.03


async def test_who_leaves_stops_the_server(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 1.0
    for form in ("pcm", "mp3"):
        async with live(gateway) as socket:
            await start(socket, format=form, sample_rate=None)
            await send(socket, "text", text=LONG)
            await send(socket, "flush")
            await socket.recv()
            assert stand_in.num_open >= 1
        await asyncio.to_thread(until, lambda: stand_in.num_open == 0 and gateway.num_open == 0)


async def test_too_much_text_is_refused(shared_stand_in: tuple[StandIn, str], stand_in: StandIn) -> None:
    stand_in.speedup = 1.0
    with running_gateway(shared_stand_in[1], max_text_characters=200) as gateway:
        for form in ("pcm", "mp3"):
            async with live(gateway) as socket:
                await start(socket, format=form, sample_rate=None)
                await send(socket, "text", text=LONG)
                _, end = await listen(socket)
                assert end["reason"] == "error"
                assert end["message"].startswith("text: got ")


WRONG = [
    "text",
    b"",
    b"\xc1",
    b"\x91" * 2_000,
    msgpack.packb([]),
    msgpack.packb({"event": "begin"}),
    msgpack.packb({"event": "start"}),
    msgpack.packb({"event": "start", "request": {"text": "", "format": "midi"}}),
    msgpack.packb({"event": "start", "request": {"text": "", "format": "pcm", "sample_rate": 1}}),
    msgpack.packb({"event": "start", "request": {"text": "", "reference_id": "x" * 300}}),
    msgpack.packb({"event": "text"}),
    msgpack.packb({"event": "text", "text": "Too early."}),
    msgpack.packb({"event": "stop"}),
]


async def test_wrong_messages_are_errors_and_the_socket_goes_on(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with live(gateway) as socket:
        for wrong in WRONG:
            await socket.send(wrong)
            sound, end = await listen(socket)
            assert sound == b""
            assert end.keys() == {"event", "reason", "message"}, wrong
            assert end["reason"] == "error"
            assert end["message"]
        assert stand_in.requests == []
        await start(socket)
        await send(socket, "text", text=FIRST)
        await send(socket, "stop")
        sound, _ = await listen(socket)
        assert_said(hear_pcm(sound, 24_000), FIRST)


def strange(chance: random.Random) -> bytes | str:
    """A message with something wrong in it, or with nothing right; some are right."""
    request = {"text": "", "format": "pcm", "sample_rate": 24_000, "top_p": 0.5, "prosody": {"speed": 1.0}}
    message = chance.choice(
        [
            {"event": "start", "request": request},
            {"event": "text", "text": "Hi."},
            {"event": "flush"},
            {"event": "stop"},
        ]
    )
    packed = msgpack.packb(message)
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randint(0, 200))
    if kind == 1:
        return packed[: chance.randrange(len(packed))]
    if kind == 2:
        at = chance.randrange(len(packed))
        return packed[:at] + chance.randbytes(1) + packed[at + 1 :]
    if kind == 3:
        return packed
    wrong = chance.choice([None, True, -1, 2**63, 1e308, float("nan"), "", "x" * 20_000, b"\xff", [], {}, [[[]]]])
    if kind == 4:
        return msgpack.packb({**message, chance.choice([*message, "unknown"]): wrong})
    return msgpack.packb({"event": "start", "request": {**request, chance.choice([*request, "references"]): wrong}})


async def test_hundreds_of_strange_messages_hold_nothing(gateway: RunningGateway, stand_in: StandIn) -> None:
    chance = random.Random(11)
    async with live(gateway) as socket:

        async def read() -> int:
            num_errors = 0
            while True:
                message = msgpack.unpackb(await socket.recv())
                if message["event"] == "audio":
                    continue
                assert message["reason"] in ("stop", "error")
                if message["reason"] == "error":
                    num_errors += 1
                    assert "internal error" not in message["message"]
                    if "is not msgpack: the end" in message["message"] or "LAST" in message["message"]:
                        return num_errors

        reading = asyncio.create_task(read())
        for _ in range(500):
            await socket.send(strange(chance))
        await socket.send(msgpack.packb({"event": "LAST"}))
        num_errors = await reading
    assert num_errors > 200
    await asyncio.to_thread(until, lambda: gateway.num_open == 0 and stand_in.num_open == 0)
