"""Cartesia's WebSocket: LiveKit's plugin, and what it does not try."""

import asyncio
import base64
import io
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from livekit.agents import APIConnectOptions, APIError
from livekit.plugins import cartesia as livekit_cartesia
from websockets.asyncio.client import ClientConnection, connect

from s1_protocol.names import Field
from tests.gateway.hearing import Heard, assert_said, hear, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble, seconds_of

TEXT = "Hello there, this is what I have to say."
SECOND = "And this is the second thing."
LONG = "This sentence is said again and again, and then it is said once more. " * 6
ONCE = APIConnectOptions(max_retry=0)
DEMUXERS = {"pcm_s16le": "s16le", "pcm_f32le": "f32le", "pcm_mulaw": "mulaw", "pcm_alaw": "alaw"}

Message = dict[str, Any]


def socket_of(gateway: RunningGateway) -> connect:
    return connect(f"{gateway.socket_url}/tts/websocket?cartesia_version=2025-04-16")


def output(encoding: str = "pcm_s16le", rate_hz: int = 24_000) -> Message:
    return {"container": "raw", "encoding": encoding, "sample_rate": rate_hz}


async def send(socket: ClientConnection, context_id: str, **fields: Any) -> None:
    voice = {"mode": "id", "id": None}
    message = {"model_id": "sonic-3", "voice": voice, "output_format": output(), "language": "en", **fields}
    await socket.send(json.dumps({"context_id": context_id, **message}))


async def receive(socket: ClientConnection) -> Message:
    text = await socket.recv()
    assert isinstance(text, str)
    assert len(text) <= 65_536
    message: Message = json.loads(text)
    assert message["type"] in ("chunk", "timestamps", "flush_done", "done", "error")
    assert "context_id" in message
    return message


async def listen(socket: ClientConnection, context_id: str) -> tuple[bytes, list[Message]]:
    """Take everything up to the end of a context: its sound, and what was said besides."""
    sound, told = b"", []
    while not (told and told[-1]["type"] in ("done", "error")):
        message = await receive(socket)
        assert message["context_id"] == context_id
        if message["type"] == "chunk":
            sound += base64.b64decode(message["data"])
        else:
            told.append(message)
    return sound, told


async def say(socket: ClientConnection, context_id: str, transcript: str, **fields: Any) -> tuple[bytes, list[Message]]:
    await send(socket, context_id, transcript=transcript, **fields)
    return await listen(socket, context_id)


def hear_raw(data: bytes, encoding: str, rate_hz: int) -> Heard:
    with av.open(io.BytesIO(data), format=DEMUXERS[encoding], options={"sample_rate": str(rate_hz)}) as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return hear(np.concatenate(frames), rate_hz)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("encoding", DEMUXERS)
async def test_encodings_and_rates(gateway: RunningGateway, encoding: str, rate_hz: int) -> None:
    async with socket_of(gateway) as socket:
        sound, told = await say(socket, "a", TEXT, output_format=output(encoding, rate_hz))
    assert_said(hear_raw(sound, encoding, rate_hz), TEXT)
    assert told == [{"type": "done", "context_id": "a", "done": True, "status_code": 200}]


async def test_a_text_in_pieces_is_one_context(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with socket_of(gateway) as socket:
        for word in f"{TEXT} {SECOND}".split(" "):
            await send(socket, "a", transcript=f"{word} ", **{"continue": True})
        sound, told = await say(socket, "a", "")
    assert stand_in.texts == [TEXT, SECOND]
    assert len({request[Field.SEED] for request in stand_in.requests}) == 1
    heard = hear_pcm(sound, 24_000)
    assert abs(heard.duration_s - seconds_of(TEXT) - seconds_of(SECOND)) < 0.05
    assert abs(heard.pitch_hz - 440) < 2
    assert [message["type"] for message in told] == ["done"]


async def test_without_a_buffer_each_message_is_said_as_it_is(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with socket_of(gateway) as socket:
        await send(socket, "a", transcript="Hello there", max_buffer_delay_ms=0, **{"continue": True})
        assert (await receive(socket))["type"] == "chunk"
        assert stand_in.texts == ["Hello there"]
        await say(socket, "a", "how are you", max_buffer_delay_ms=0)
    assert stand_in.texts == ["Hello there", "how are you"]


async def test_a_sentence_that_is_not_whole_waits_no_longer_than_was_asked(
    gateway: RunningGateway, stand_in: StandIn
) -> None:
    async with socket_of(gateway) as socket:
        await send(socket, "a", transcript="Hello there", max_buffer_delay_ms=200, **{"continue": True})
        assert (await receive(socket))["type"] == "chunk"
        await say(socket, "a", " how are you", max_buffer_delay_ms=200)
    assert stand_in.texts == ["Hello there", "how are you"]


async def test_flush_is_answered_when_what_was_before_it_was_said(gateway: RunningGateway) -> None:
    async with socket_of(gateway) as socket:
        await send(socket, "a", transcript="Hello there", **{"continue": True})
        await send(socket, "a", transcript="", flush=True, **{"continue": True})
        await send(socket, "a", transcript=SECOND, **{"continue": True})
        sounds: dict[int, bytes] = {}
        await send(socket, "a", transcript="", **{"continue": False})
        types = []
        while (message := await receive(socket))["type"] != "done":
            types.append(message["type"])
            if message["type"] == "chunk":
                flush_id = message.get("flush_id", 0)
                sounds[flush_id] = sounds.get(flush_id, b"") + base64.b64decode(message["data"])
            else:
                assert message["flush_done"] is True
                assert message["flush_id"] == 0
        assert types.count("flush_done") == 1
        assert_said(hear_pcm(sounds[0], 24_000), "Hello there")
        assert_said(hear_pcm(sounds[1], 24_000), SECOND)


async def test_contexts_speak_at_the_same_time(gateway: RunningGateway) -> None:
    async with socket_of(gateway) as socket:
        for context_id in ("a", "b"):
            await send(socket, context_id, transcript=LONG)
        came: dict[str, int] = {"a": 0, "b": 0}
        while min(came.values()) < 10:
            came[(await receive(socket))["context_id"]] += 1
        assert max(came.values()) < 20
        for context_id in ("a", "b"):
            await socket.send(json.dumps({"context_id": context_id, "cancel": True}))


async def test_nothing_of_a_context_comes_after_its_cancel(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 2.0
    async with socket_of(gateway) as socket:
        await send(socket, "a", transcript=LONG)
        assert (await receive(socket))["type"] == "chunk"
        await send(socket, "b", transcript=TEXT)
        await socket.send(json.dumps({"context_id": "a", "cancel": True}))
        told, sound = [], b""
        while "b" not in told:
            message = await receive(socket)
            if message["type"] == "done":
                told.append(message["context_id"])
            elif message["context_id"] == "b":
                sound += base64.b64decode(message["data"])
            else:
                assert "a" not in told
        assert told == ["a", "b"]
        assert_said(hear_pcm(sound, 24_000), TEXT)
        await asyncio.to_thread(until, lambda: stand_in.num_open == 0)
        assert stand_in.num_cancelled >= 1
        # once more, and of a context that nobody knows: neither is an error, nor answered
        for context_id in ("a", "c"):
            await socket.send(json.dumps({"context_id": context_id, "cancel": True}))
        sound, told = await say(socket, "a", TEXT)
        assert_said(hear_pcm(sound, 24_000), TEXT)


async def test_times_are_told_of_sentences(gateway: RunningGateway) -> None:
    async with socket_of(gateway) as socket:
        _, told = await say(socket, "a", f"{TEXT} {SECOND}", add_timestamps=True)
    times = [message["word_timestamps"] for message in told if message["type"] == "timestamps"]
    assert [each["words"] for each in times] == [[TEXT], [SECOND]]
    assert times[0]["start"] == [0.0]
    assert times[0]["end"] == times[1]["start"]
    assert times[0]["end"][0] == pytest.approx(seconds_of(TEXT), abs=0.001)
    assert times[1]["end"][0] == pytest.approx(seconds_of(TEXT) + seconds_of(SECOND), abs=0.001)


async def test_speed_and_volume(gateway: RunningGateway) -> None:
    async with socket_of(gateway) as socket:
        sound, _ = await say(socket, "a", TEXT, generation_config={"speed": 2.0, "volume": 0.5, "emotion": "calm"})
        plain, _ = await say(socket, "b", TEXT)
    heard = hear_pcm(sound, 24_000)
    assert_said(heard, TEXT, speed=2.0, within_s=0.15)
    middle = slice(8_000, 16_000)
    ratio = np.std(heard.samples[middle]) / np.std(hear_pcm(plain, 24_000).samples[middle])
    assert ratio == pytest.approx(0.5, abs=0.03)


async def test_sound_does_not_run_far_ahead_of_its_playback(gateway: RunningGateway) -> None:
    async with socket_of(gateway) as socket:
        await send(socket, "a", transcript=LONG, max_buffer_delay_ms=0)
        begun_s, came_s = time.monotonic(), 0.0
        while came_s < 4:
            came_s += len(base64.b64decode((await receive(socket))["data"])) / 48_000
            # 1.5 s ahead, and a message more
            assert came_s <= time.monotonic() - begun_s + 1.5 + 0.3


async def test_an_open_context_holds_nothing_while_nothing_is_said(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with socket_of(gateway) as socket:
        await send(socket, "a", transcript="Yes.", max_buffer_delay_ms=0, **{"continue": True})
        await receive(socket)
        await asyncio.to_thread(until, lambda: gateway.num_open == 0 and stand_in.num_open == 0)


async def test_a_context_without_a_word_is_done(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with socket_of(gateway) as socket:
        for context_id, transcript in (("a", ""), ("b", " "), ("c", "…")):
            sound, told = await say(socket, context_id, transcript)
            assert sound == b""
            assert told[-1]["type"] == "done"
    assert stand_in.requests == []


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [(Trouble.INVALID, "invalid_request", 400), (f"{Trouble.BREAK}, says he", "internal", 500)],
)
async def test_a_failed_context_is_an_error_and_the_socket_goes_on(
    gateway: RunningGateway, text: str, code: str, status: int
) -> None:
    async with socket_of(gateway) as socket:
        _, told = await say(socket, "a", text)
        assert told[-1]["error_code"] == code
        assert told[-1]["status_code"] == status
        assert told[-1]["title"]
        assert told[-1]["message"]
        sound, _ = await say(socket, "a", TEXT)
        assert_said(hear_pcm(sound, 24_000), TEXT)


async def test_a_full_server_is_waited_for(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.refuse_next = 5
    async with socket_of(gateway) as socket:
        sound, told = await say(socket, "a", TEXT)
    assert told[-1]["type"] == "done"
    assert_said(hear_pcm(sound, 24_000), TEXT)


async def test_who_leaves_stops_the_server(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 1.0
    async with socket_of(gateway) as socket:
        for context_id in ("a", "b"):
            await send(socket, context_id, transcript=LONG)
        await receive(socket)
    await asyncio.to_thread(until, lambda: stand_in.num_open == 0 and gateway.num_open == 0)


async def test_a_refused_handshake_is_in_cartesias_shape(shared_stand_in: tuple[StandIn, str]) -> None:
    with running_gateway(shared_stand_in[1], tokens="anna sha256:" + "0" * 64) as gateway:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{gateway.url}/tts/websocket", headers={"X-API-Key": "wrong"})
        assert refused.value.status == 401


WRONG: list[tuple[str | bytes, str]] = [
    ("", ""),
    ("{", ""),
    ("[]", ""),
    (b"\xff\xfe", ""),
    ("{}", "transcript: "),
    ('{"context_id": 5, "transcript": "a"}', "context_id: "),
    ('{"context_id": "a", "transcript": 5}', "transcript: "),
    ('{"context_id": "a", "transcript": "\\ud83d"}', ""),
    ('{"context_id": "a", "transcript": "a"}', "output_format: "),
    ('{"context_id": "a", "flush": true}', "transcript: "),
    ('{"cancel": true}', "context_id: "),
    (json.dumps({"context_id": "a", "transcript": "a", "output_format": output("pcm_s24le")}), "output_format."),
    (
        json.dumps({"context_id": "a", "transcript": "a", "output_format": output(rate_hz=1)}),
        "output_format.sample_rate: ",
    ),
    (
        json.dumps({"context_id": "a", "transcript": "a", "output_format": output() | {"container": "mp3"}}),
        "output_format.container: ",
    ),
    (json.dumps({"transcript": "a", "voice": {"mode": "embedding", "embedding": [1]}}), "voice.mode: "),
    (json.dumps({"transcript": "a", "max_buffer_delay_ms": 6000}), "max_buffer_delay_ms: "),
    (
        json.dumps({"transcript": "a", "output_format": output(), "generation_config": {"speed": 9}}),
        "generation_config.speed: ",
    ),
]


async def test_wrong_messages_are_errors_and_the_socket_goes_on(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with socket_of(gateway) as socket:
        for wrong, named in WRONG:
            await socket.send(wrong)
            message = await receive(socket)
            assert message["type"] == "error", wrong
            assert message["status_code"] == 400
            assert message["message"].startswith(named), wrong
        assert stand_in.requests == []
        sound, _ = await say(socket, "a", TEXT)
        assert_said(hear_pcm(sound, 24_000), TEXT)


async def test_text_after_the_end_of_a_context_is_refused(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 1.0
    async with socket_of(gateway) as socket:
        await send(socket, "a", transcript=LONG)
        await receive(socket)
        await send(socket, "a", transcript="")  # ended twice is no error
        _, told = await say(socket, "a", TEXT)
        assert told[-1]["message"].startswith("context_id: ")
    await asyncio.to_thread(until, lambda: gateway.num_open == 0)


async def test_too_many_contexts_and_too_much_text_are_refused(
    shared_stand_in: tuple[StandIn, str], stand_in: StandIn
) -> None:
    stand_in.speedup = 1.0
    with running_gateway(shared_stand_in[1], max_text_characters=200) as gateway:
        async with socket_of(gateway) as socket:
            _, told = await say(socket, "long", LONG)
            assert told[-1]["message"].startswith("transcript: got ")
            for number in range(64):
                await send(socket, str(number), transcript="a", **{"continue": True})
            _, told = await say(socket, "one more", "a")
            assert told[-1]["status_code"] == 429


def strange(chance: random.Random) -> str | bytes:
    """A message with something wrong in it, or with nothing right; some are right."""
    message: Message = {"context_id": chance.choice("abc"), "transcript": "Hi.", "output_format": output()}
    message |= {"continue": chance.random() < 0.5, "voice": {"mode": "id", "id": None}, "max_buffer_delay_ms": 0}
    text = json.dumps(message)
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randint(0, 200))
    if kind == 1:
        return text[: chance.randrange(len(text))]
    if kind == 2:
        at = chance.randrange(len(text))
        return text[:at] + chance.choice('{}[]",:0x\\') + text[at:]
    if kind == 3:
        return chance.choice([text, json.dumps({"context_id": chance.choice("abc"), "cancel": True})])
    wrong = chance.choice([None, True, -1, 10**30, 1e308, "", "x" * 20_000, [], {}, [[[]]], {"id": {}}])
    return json.dumps({**message, chance.choice([*message, "flush", "generation_config", "unknown"]): wrong})


async def test_hundreds_of_strange_messages_hold_nothing(gateway: RunningGateway, stand_in: StandIn) -> None:
    chance = random.Random(13)
    async with socket_of(gateway) as socket:

        async def read() -> int:
            num_errors = 0
            while True:
                message = await receive(socket)
                if message["type"] == "error":
                    num_errors += 1
                    assert message["error_code"] != "internal"
                if message["type"] == "done" and message["context_id"] == "last":
                    return num_errors

        reading = asyncio.create_task(read())
        for _ in range(500):
            await socket.send(strange(chance))
        await send(socket, "last", transcript="")
        assert await reading > 150
    await asyncio.to_thread(until, lambda: gateway.num_open == 0 and stand_in.num_open == 0)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def livekit(gateway: RunningGateway, http: aiohttp.ClientSession, **options: Any) -> livekit_cartesia.TTS:
    return livekit_cartesia.TTS(api_key="unused", base_url=gateway.url, http_session=http, **options)


async def speak_turn(tts: livekit_cartesia.TTS, *texts: str) -> tuple[Heard, str]:
    """Speak as a language model writes; gives what was heard, and the words that LiveKit was told of."""
    async with tts.stream(conn_options=ONCE) as stream:
        for text in texts:
            for word in text.split(" "):
                stream.push_text(f"{word} ")
        stream.end_input()
        frames = [event.frame async for event in stream]
    (rate_hz,) = {frame.sample_rate for frame in frames}
    words = "".join(str(word) for frame in frames for word in frame.userdata.get("lk.timed_transcripts", []))
    return hear_pcm(b"".join(bytes(frame.data) for frame in frames), rate_hz), words


@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
async def test_livekit_speaks_turn_after_turn_on_one_socket(
    gateway: RunningGateway, stand_in: StandIn, http: aiohttp.ClientSession, rate_hz: int
) -> None:
    async with livekit(gateway, http, sample_rate=rate_hz) as tts:
        for _ in range(2):
            heard, words = await speak_turn(tts, TEXT, SECOND)
            assert heard.rate_hz == rate_hz
            assert abs(heard.duration_s - seconds_of(TEXT) - seconds_of(SECOND)) < 0.1
            assert abs(heard.pitch_hz - 440) < 2
            assert words.split() == f"{TEXT} {SECOND}".split()
        assert len(tts._pool._connections) == 1
    # its default voice is an id that nobody has here
    assert {request.get(Field.VOICE) for request in stand_in.requests} == {None}


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
        heard, _ = await speak_turn(tts, TEXT)
        assert_said(heard, TEXT, within_s=0.15)
        await asyncio.to_thread(until, lambda: stand_in.num_open == 0 and gateway.num_open == 0)
        assert stand_in.num_cancelled >= 1


async def test_livekit_learns_of_an_error(
    gateway: RunningGateway, stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    async with livekit(gateway, http) as tts:
        with pytest.raises(APIError, match="temperature: got 9"):
            await speak_turn(tts, f"{Trouble.INVALID} is what you hear.")
        heard, _ = await speak_turn(tts, TEXT)
        assert_said(heard, TEXT, within_s=0.15)
