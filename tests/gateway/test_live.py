"""Our own WebSocket, with the client library ``websockets``."""

import asyncio
import json
import re
import time
from socket import SO_RCVBUF, SOL_SOCKET
from socket import socket as tcp_socket
from typing import Any

import httpx2
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from s1_gateway.turns import MAX_LAG_S
from s1_protocol.names import Field
from tests.gateway.hearing import assert_said, hear_file, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble, seconds_of

TEXT = "Hello there, this is what I have to say."
LONG_TEXT = "This is a sentence of some length that takes a while to be said. " * 10

Message = dict[str, Any]


async def listen(socket: ClientConnection) -> tuple[bytes, list[Message]]:
    """Take everything up to the end of an utterance: its sound, and what was said besides."""
    sound, told = b"", []
    while not (told and ({"done", "error"} & told[-1].keys())):
        message = await socket.recv()
        if isinstance(message, bytes):
            assert len(message) <= 65_536
            sound += message
        else:
            told.append(json.loads(message))
    return sound, told


async def say(socket: ClientConnection, **message: Any) -> tuple[bytes, list[Message]]:
    await socket.send(json.dumps(message))
    return await listen(socket)


@pytest.mark.parametrize("path", ["/v1/audio/stream", "/ws/tts"])
async def test_text_in_sound_out_and_done(gateway: RunningGateway, path: str) -> None:
    async with connect(gateway.socket_url + path) as socket:
        for _ in range(2):
            sound, told = await say(socket, text=TEXT)
            assert told == [{"done": True}]
            assert_said(hear_pcm(sound, 24_000), TEXT)


@pytest.mark.parametrize("form", ["wav", "mp3", "opus", "flac", "aac"])
async def test_other_formats(gateway: RunningGateway, form: str) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        sound, _ = await say(socket, text=TEXT, format=form)
    assert_said(hear_file(sound), TEXT)


async def test_rate_speed_and_options(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        sound, _ = await say(socket, text=TEXT, sample_rate=16_000, speed=2.0, seed=5, temperature=0.5)
    assert_said(hear_pcm(sound, 16_000), TEXT, speed=2.0, within_s=0.15)
    assert stand_in.requests[0][Field.SEED] == 5
    assert stand_in.requests[0][Field.TEMPERATURE] == 0.5
    assert stand_in.requests[0][Field.SERVICE] == "call"


async def test_text_in_pieces_is_said_as_sentences_are_whole(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        for piece in ("Hello ", "there. How", " are"):
            await socket.send(json.dumps({"text": piece, "more": True, "context_id": "a"}))
        assert json.loads(await socket.recv())["start"] is True  # the first sentence, before the text is whole
        sound, told = await say(socket, text=" you?", context_id="a")
        assert told[-1] == {"done": True, "context_id": "a"}
    assert stand_in.texts == ["Hello there.", "How are you?"]
    assert hear_pcm(sound, 24_000).duration_s > 0.5


async def test_flush_says_what_is_pending(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        await socket.send(json.dumps({"text": "Hello there", "more": True}))
        await socket.send(json.dumps({"flush": True}))
        assert isinstance(await socket.recv(), bytes)
        assert stand_in.texts == ["Hello there"]
        await socket.send(json.dumps({"text": ""}))
        _, told = await listen(socket)
        assert told == [{"done": True}]


async def test_named_contexts_speak_one_after_the_other(gateway: RunningGateway) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        for name in ("a", "b"):
            await socket.send(json.dumps({"text": TEXT, "context_id": name}))
        for name in ("a", "b"):
            sound, told = await listen(socket)
            assert told == [
                {"start": True, "context_id": name, "format": "pcm_s16le", "sample_rate": 24_000},
                {"done": True, "context_id": name},
            ]
            assert_said(hear_pcm(sound, 24_000), TEXT)


async def test_sound_does_not_run_far_ahead_of_its_playback(gateway: RunningGateway) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        begun_s = time.monotonic()  # the server cannot have begun earlier, however late this process goes on
        await socket.send(json.dumps({"text": LONG_TEXT}))
        came = 0
        while (heard_s := came / 48_000) < 4:
            came += len(await socket.recv())
            # 1.5 s ahead, and a message more
            assert heard_s <= time.monotonic() - begun_s + 1.5 + 0.3


async def test_nothing_of_a_context_comes_after_its_cancel(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        await socket.send(json.dumps({"text": LONG_TEXT, "context_id": "a"}))
        await socket.recv()
        assert isinstance(await socket.recv(), bytes)
        _, told = await say(socket, cancel=True, context_id="a")
        assert told[-1] == {"done": True, "cancelled": True, "context_id": "a"}
        until(lambda: stand_in.num_open == 0)
        sound, told = await say(socket, text=TEXT, context_id="b")
        assert {message["context_id"] for message in told} == {"b"}
        assert_said(hear_pcm(sound, 24_000), TEXT)


async def test_a_cancel_stops_what_is_being_made(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 1.0
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        await socket.send(json.dumps({"text": LONG_TEXT}))
        assert isinstance(await socket.recv(), bytes)
        await say(socket, cancel=True)
        until(lambda: stand_in.num_open == 0)
    assert stand_in.num_cancelled >= 1


async def test_a_closed_socket_stops_everything(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 1.0
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        for name in ("a", "b"):
            await socket.send(json.dumps({"text": LONG_TEXT, "context_id": name}))
        await socket.recv()
    until(lambda: stand_in.num_open == 0 and gateway.num_open == 0)


MALFORMED = [
    "",
    "{",
    "[]",
    "5",
    "null",
    b"\xff\xfe",
    '{"text": 5}',
    '{"texte": "a"}',
    '{"text": "\\ud83d"}',
    '{"text": "a", "format": "midi"}',
    '{"text": "a", "sample_rate": 1}',
    '{"text": "a", "speed": 100}',
    '{"text": "a", "speed": NaN}',
    '{"text": "a", "temperature": 9}',
    '{"text": "a", "context_id": ""}',
    '{"flush": true}',
    "{}",
    '{"text": "a", "voice": ""}',
    "[" * 1000,
]


async def test_malformed_messages_are_errors_and_the_socket_goes_on(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        for malformed in MALFORMED:
            await socket.send(malformed)
            _, told = await listen(socket)
            assert told[-1]["error"]["status"] == 400, malformed
            assert told[-1]["error"]["message"]
        assert stand_in.requests == []
        sound, _ = await say(socket, text=TEXT)
        assert_said(hear_pcm(sound, 24_000), TEXT)


@pytest.mark.parametrize(
    ("text", "code"),
    [(Trouble.BUSY, "busy"), (Trouble.INVALID, "invalid_request"), (f"{TEXT} {Trouble.BREAK}", "internal")],
)
async def test_a_failed_utterance_is_an_error_and_the_socket_goes_on(
    gateway: RunningGateway, text: str, code: str
) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        _, told = await say(socket, text=text, context_id="a")
        assert told[-1]["error"]["code"] == code
        assert told[-1]["context_id"] == "a"
        _, told = await say(socket, text=TEXT)
        assert told == [{"done": True}]


async def test_speech_that_was_cut_says_so(gateway: RunningGateway) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        sound, told = await say(socket, text=TEXT, max_frames=10)
        assert told == [{"done": True, "cut": True}]
        assert abs(hear_pcm(sound, 24_000).duration_s - 10 * 2048 / 44_100) < 0.02


async def test_too_large_a_message_ends_the_socket(gateway: RunningGateway) -> None:
    async with connect(gateway.socket_url + "/ws/tts") as socket:
        await socket.send("x" * (2**20 + 1))
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_an_idle_socket_is_closed(shared_stand_in: tuple[StandIn, str]) -> None:
    with running_gateway(shared_stand_in[1], idle_s=0.2) as gateway:
        async with connect(gateway.socket_url + "/ws/tts") as socket:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001


async def test_a_listener_who_takes_nothing_is_given_up(
    shared_stand_in: tuple[StandIn, str], stand_in: StandIn
) -> None:
    with running_gateway(shared_stand_in[1], send_s=0.5, ahead_s=10) as gateway:
        host, _, port = gateway.address.partition(":")
        small = tcp_socket()
        small.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        small.connect((host, int(port)))
        async with connect(gateway.socket_url + "/ws/tts", sock=small, max_queue=1) as listener:
            listener.transport.pause_reading()
            # 190 kB a second, of which the kernel takes half a megabyte
            await listener.send(json.dumps({"text": LONG_TEXT, "format": "pcm_f32le", "sample_rate": 48_000}))
            await asyncio.to_thread(until, lambda: gateway.num_open == 1)
            await asyncio.to_thread(until, lambda: gateway.num_open == 0 and stand_in.num_open == 0)
            page = await asyncio.to_thread(lambda: httpx2.get(f"{gateway.url}/metrics").text)
            assert 's1_gateway_open_sockets{door="live"} 0.0' in page
            assert 'outcome="hung_up"' in page
            listener.transport.abort()


async def test_pings_of_a_listener_are_answered_while_sound_is_sent(gateway: RunningGateway) -> None:
    async with connect(gateway.socket_url + "/ws/tts", ping_interval=0.5, ping_timeout=5) as socket:
        sound, told = await say(socket, text=TEXT)
        assert told == [{"done": True}]
        assert_said(hear_pcm(sound, 24_000), TEXT)


async def until_it_sends_nothing(gateway: RunningGateway) -> None:
    """Wait until a gateway that answers meanwhile has made no sound for twice as long as sound may be late."""
    before = ""
    while (made := await asyncio.to_thread(sound_made, gateway)) != before or not made:
        before = made
        await asyncio.sleep(2 * MAX_LAG_S)


def sound_made(gateway: RunningGateway) -> str:
    """How many seconds of sound it has made, as its metrics show it; nothing before the first."""
    page = httpx2.get(f"{gateway.url}/metrics").text
    return "".join(re.findall(r"^s1_gateway_audio_seconds_total\{.*\} (\S+)$", page, re.MULTILINE))


@pytest.mark.parametrize("when_slow", ["wait", "drop"])
async def test_a_caller_chooses_what_becomes_of_sound_that_is_taken_too_slowly(
    shared_stand_in: tuple[StandIn, str], stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, when_slow: str
) -> None:
    monkeypatch.setattr("s1_gateway.connection.SEND_BUFFER_BYTES", 4096)
    text = LONG_TEXT[:64]
    with running_gateway(shared_stand_in[1], ahead_s=0.2) as gateway:
        host, _, port = gateway.address.partition(":")
        small = tcp_socket()
        small.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        small.connect((host, int(port)))
        async with connect(gateway.socket_url + "/ws/tts", sock=small, max_queue=1) as listener:
            wish = {"text": text, "format": "pcm_f32le", "sample_rate": 48_000, "when_slow": when_slow}
            await listener.send(json.dumps(wish))
            listener.transport.pause_reading()
            await until_it_sends_nothing(gateway)
            listener.transport.resume_reading()
            sound, told = await listen(listener)
        assert told == [{"done": True}]
        page = await asyncio.to_thread(lambda: httpx2.get(f"{gateway.url}/metrics").text)
    heard_s = len(sound) / 4 / 48_000
    counted = re.findall(r"^s1_gateway_dropped_samples_total\{.*\} (\S+)$", page, re.MULTILINE)
    left_out_s = sum(map(float, counted)) / 44_100
    assert (left_out_s > 0.4) == (when_slow == "drop")
    assert abs(heard_s + left_out_s - seconds_of(text)) < 0.01
