"""LiveKit's OpenAI plugin through the gateway."""

import asyncio

import aiohttp
import pytest
from livekit.agents import APIStatusError
from livekit.plugins import openai as livekit_openai

from tests.gateway.hearing import Heard, assert_said
from tests.gateway.livekit_turns import ONCE, heard_in
from tests.gateway.running import RunningGateway, until
from tests.gateway.stand_in import StandIn, Trouble

SENTENCE = "Hello there, this is what I have to say."
LONG = "This sentence is said again and again. " * 6


def tts_of(gateway: RunningGateway, **options) -> livekit_openai.TTS:
    return livekit_openai.TTS(api_key="unused", base_url=f"{gateway.url}/v1", **options)


async def say(tts: livekit_openai.TTS, text: str) -> Heard:
    async with tts.synthesize(text, conn_options=ONCE) as stream:
        return heard_in([event.frame async for event in stream])


@pytest.mark.parametrize(
    "options",
    [
        {},  # gpt-4o-mini-tts: server-sent events, mp3
        {"model": "tts-1"},  # sound as the body, mp3
        {"response_format": "wav"},
        {"model": "tts-1", "response_format": "pcm"},
        {"model": "tts-1", "response_format": "opus"},
        {"model": "tts-1", "response_format": "flac"},
    ],
)
async def test_what_is_heard_is_whole_and_in_tune(gateway: RunningGateway, options: dict[str, str]) -> None:
    async with tts_of(gateway, **options) as tts:
        assert_said(await say(tts, SENTENCE), SENTENCE, within_s=0.15)


async def test_speed(gateway: RunningGateway) -> None:
    async with tts_of(gateway, speed=2.0) as tts:
        assert_said(await say(tts, LONG[:120]), LONG[:120], speed=2.0, within_s=0.2)


async def test_an_interruption_stops_the_server(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.speedup = 1.0
    async with tts_of(gateway) as tts:
        stream = tts.synthesize(LONG, conn_options=ONCE)
        await anext(aiter(stream))
        await stream.aclose()
        await asyncio.to_thread(until, lambda: stand_in.num_open == 0 and gateway.num_open == 0)
        stand_in.speedup = float("inf")
        assert_said(await say(tts, SENTENCE), SENTENCE, within_s=0.15)


async def test_a_refusal_has_a_status_and_an_id(gateway: RunningGateway) -> None:
    async with tts_of(gateway) as tts:
        with pytest.raises(APIStatusError) as refused:
            await say(tts, Trouble.BUSY)
    assert refused.value.status_code == 503
    assert refused.value.request_id


async def test_its_own_retries_ride_over_a_full_queue(gateway: RunningGateway, stand_in: StandIn) -> None:
    stand_in.refuse_next = 3
    async with tts_of(gateway) as tts, tts.synthesize(SENTENCE) as stream:
        heard = heard_in([event.frame async for event in stream])
    assert_said(heard, SENTENCE, within_s=0.15)


async def test_warming_up_finds_an_answer(gateway: RunningGateway, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{gateway.url}/v1/") as answer:
        assert answer.status == 200
