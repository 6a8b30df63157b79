"""LiveKit's plugin of Cartesia before the gateway."""

from typing import Any

import aiohttp
import pytest
from livekit.agents import APIError
from livekit.plugins import cartesia as livekit_cartesia

from s1_protocol.names import Field
from tests.gateway.cartesia_socket import LONG, SECOND, TEXT
from tests.gateway.hearing import Heard, assert_said
from tests.gateway.livekit_turns import assert_interrupted_turn_stops, frames_of_turn, heard_in
from tests.gateway.running import RunningGateway
from tests.gateway.stand_in import StandIn, Trouble, seconds_of


def livekit(gateway: RunningGateway, http: aiohttp.ClientSession, **options: Any) -> livekit_cartesia.TTS:
    return livekit_cartesia.TTS(api_key="unused", base_url=gateway.url, http_session=http, **options)


async def speak_turn(tts: livekit_cartesia.TTS, *texts: str) -> tuple[Heard, str]:
    """Speak as a language model writes; gives what was heard, and the words that LiveKit was told of."""
    frames = await frames_of_turn(tts, *texts)
    words = "".join(str(word) for frame in frames for word in frame.userdata.get("lk.timed_transcripts", []))
    return heard_in(frames), words


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
    async with livekit(gateway, http) as tts:
        await assert_interrupted_turn_stops(tts, gateway, stand_in, LONG, TEXT)


async def test_livekit_learns_of_an_error(
    gateway: RunningGateway, stand_in: StandIn, http: aiohttp.ClientSession
) -> None:
    async with livekit(gateway, http) as tts:
        with pytest.raises(APIError, match="temperature: got 9"):
            await speak_turn(tts, f"{Trouble.INVALID} is what you hear.")
        heard, _ = await speak_turn(tts, TEXT)
        assert_said(heard, TEXT, within_s=0.15)
