"""Cartesia's WebSocket: what is wrong is an error, and the socket goes on."""

import asyncio
import json
import random

import aiohttp
import pytest

from tests.gateway.cartesia_socket import LONG, TEXT, Message, output, receive, say, send, socket_of
from tests.gateway.hearing import assert_said, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble
from tests.gateway.strange_messages import strange_json


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
        assert told[-1]["message"] == told[-1]["error"]
        assert told[-1]["done"] is False  # LiveKit takes true for the end of speech that was said whole
        sound, _ = await say(socket, "a", TEXT)
        assert_said(hear_pcm(sound, 24_000), TEXT)


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
    """A message of one of three contexts."""
    message: Message = {"context_id": chance.choice("abc"), "transcript": "Hi.", "output_format": output()}
    message |= {"continue": chance.random() < 0.5, "voice": {"mode": "id", "id": None}, "max_buffer_delay_ms": 0}
    cancel = {"context_id": chance.choice("abc"), "cancel": True}
    return strange_json(chance, message, further=("flush", "generation_config"), right=(message, cancel))


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
