"""Clients of Fish Audio's WebSocket: its own SDKs and LiveKit's plugin."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import fish_audio_sdk
import fishaudio
import httpx_ws
import pytest
from fishaudio.exceptions import WebSocketError
from fishaudio.types import FlushEvent, TextEvent, TTSConfig
from livekit.agents import APIStatusError
from livekit.plugins import fishaudio as livekit_fish

from s1_protocol.names import Field
from tests.gateway.fish_socket import FIRST, LONG, SECOND
from tests.gateway.hearing import Heard, assert_said, hear_file, hear_pcm
from tests.gateway.livekit_turns import ONCE, assert_interrupted_turn_stops, frames_of_turn, heard_in
from tests.gateway.running import RunningGateway, running_gateway
from tests.gateway.stand_in import StandIn, Trouble, seconds_of


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


def livekit(gateway: RunningGateway, http: aiohttp.ClientSession, **options: Any) -> livekit_fish.TTS:
    return livekit_fish.TTS(api_key="unused", base_url=gateway.url, http_session=http, **options)


async def speak_turn(tts: livekit_fish.TTS, *texts: str) -> Heard:
    return heard_in(await frames_of_turn(tts, *texts))


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
    async with livekit(gateway, http) as tts:
        await assert_interrupted_turn_stops(tts, gateway, stand_in, LONG, FIRST)


async def test_livekit_learns_of_an_error(
    gateway: RunningGateway, stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    async with livekit(gateway, http) as tts:
        with pytest.raises(APIStatusError) as failed:
            await speak_turn(tts, f"{Trouble.INVALID} is what you hear.")
        assert "temperature: got 9" in str(failed.value.body)
        assert_said(await speak_turn(tts, FIRST), FIRST, within_s=0.15)
