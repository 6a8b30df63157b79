"""Fish Audio's WebSocket: what is wrong is an error, and the socket goes on."""

import asyncio
import random

import msgpack

from tests.gateway.fish_socket import FIRST, LONG, listen, live, send, start
from tests.gateway.hearing import assert_said, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble
from tests.gateway.strange_messages import WRONG_VALUES, strange_bytes


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
            assert not end["message"].endswith(": "), wrong
            assert end["message"]
        assert stand_in.requests == []
        await start(socket)
        await send(socket, "text", text=FIRST)
        await send(socket, "stop")
        sound, _ = await listen(socket)
        assert_said(hear_pcm(sound, 24_000), FIRST)


def strange(chance: random.Random) -> bytes:
    """A message of any kind."""
    request = {"text": "", "format": "pcm", "sample_rate": 24_000, "top_p": 0.5, "prosody": {"speed": 1.0}}
    message = chance.choice(
        [
            {"event": "start", "request": request},
            {"event": "text", "text": "Hi."},
            {"event": "flush"},
            {"event": "stop"},
        ]
    )
    kind = chance.randrange(6)
    if kind < 3:
        return strange_bytes(chance, msgpack.packb(message))
    if kind == 3:
        return msgpack.packb(message)
    wrong = chance.choice([*WRONG_VALUES, 2**63, float("nan"), b"\xff"])
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
