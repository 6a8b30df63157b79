"""Cartesia's WebSocket message by message: contexts, encodings, pace."""

import asyncio
import base64
import io
import json
import time

import av
import numpy as np
import pytest

from s1_protocol.names import Field
from tests.gateway.cartesia_socket import LONG, SECOND, TEXT, output, receive, say, send, socket_of
from tests.gateway.hearing import Heard, assert_said, hear, hear_pcm
from tests.gateway.running import RunningGateway, until
from tests.gateway.stand_in import StandIn, Trouble, seconds_of

DEMUXERS = {"pcm_s16le": "s16le", "pcm_f32le": "f32le", "pcm_mulaw": "mulaw", "pcm_alaw": "alaw"}


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


async def test_a_cancel_waits_for_no_further_chunk(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with socket_of(gateway) as socket:
        for number, name in enumerate("abc"):
            await send(socket, name, transcript=f"{Trouble.STALL} here.")
            assert (await receive(socket))["type"] == "chunk"
            await socket.send(json.dumps({"context_id": name, "cancel": True}))
            await asyncio.to_thread(until, lambda number=number: stand_in.num_cancelled > number)
            while (await receive(socket))["type"] != "done":
                pass


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
        begun_s, came_s = time.monotonic(), 0.0  # the server cannot have begun earlier
        await send(socket, "a", transcript=LONG, max_buffer_delay_ms=0)
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
