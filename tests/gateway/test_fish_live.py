"""Fish Audio's WebSocket message by message: what its clients do not try."""

import asyncio
import time

import msgpack
import pytest

from s1_protocol.names import Field
from tests.gateway.fish_socket import FIRST, LONG, listen, live, send, start
from tests.gateway.hearing import assert_said, hear_file, hear_pcm
from tests.gateway.running import RunningGateway, until
from tests.gateway.stand_in import StandIn, Trouble


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
        silence = msgpack.unpackb(await socket.recv())["audio"]
        assert set(silence) == {0}
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
        begun_s, came_s = time.monotonic(), 0.0  # the server cannot have begun earlier
        for _ in range(6):
            await send(socket, "text", text="This is said.")
            await send(socket, "flush")
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
