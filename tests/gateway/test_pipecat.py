"""A bot that speaks with Pipecat's own OpenAI service through the gateway, and is interrupted."""

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from pipecat.services.openai.tts import OpenAITTSService

from tests.gateway.hearing import assert_said, hear_pcm
from tests.gateway.running import RunningGateway, until
from tests.gateway.stand_in import StandIn
from tests.pipelines import audio_of, line_of

RATE_HZ = 24_000
"""OpenAI's pcm has no other rate, and Pipecat believes its pipeline's."""

SENTENCE = "Hello there, this is what I have to say."
LONG = "This sentence is said again and again, " * 6


def service_of(gateway: RunningGateway) -> OpenAITTSService:
    return OpenAITTSService(
        api_key="unused", base_url=f"{gateway.url}/v1", settings=OpenAITTSService.Settings(voice="alloy")
    )


async def test_a_turn_is_heard_whole_and_in_tune(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with line_of(service_of(gateway), RATE_HZ) as line:
        await line.send(LLMFullResponseStartFrame(), LLMTextFrame(SENTENCE), LLMFullResponseEndFrame())
        frames = await line.read_to(TTSStoppedFrame)
    assert {frame.sample_rate for frame in audio_of(frames)} == {RATE_HZ}
    assert_said(hear_pcm(b"".join(frame.audio for frame in audio_of(frames)), RATE_HZ), SENTENCE, within_s=0.1)
    assert stand_in.requests[0]["service"] == "call"


async def test_an_interruption_stops_the_server_and_the_next_turn_is_heard(
    gateway: RunningGateway, stand_in: StandIn
) -> None:
    stand_in.speedup = 1.0
    async with line_of(service_of(gateway), RATE_HZ) as line:
        await line.send(LLMFullResponseStartFrame(), LLMTextFrame(f"{LONG}."), LLMFullResponseEndFrame())
        await line.read_to(TTSAudioRawFrame)
        assert stand_in.num_open == 1
        await line.send(InterruptionFrame())
        await line.read_to(InterruptionFrame)
        until(lambda: stand_in.num_open == 0 and gateway.num_open == 0)
        assert stand_in.num_cancelled == 1
        stand_in.speedup = float("inf")
        await line.send(LLMFullResponseStartFrame(), LLMTextFrame(SENTENCE), LLMFullResponseEndFrame())
        frames = await line.read_to(TTSStoppedFrame)
    assert not [frame for frame in frames if isinstance(frame, ErrorFrame)]
    assert_said(hear_pcm(b"".join(frame.audio for frame in audio_of(frames)), RATE_HZ), SENTENCE, within_s=0.1)


@pytest.mark.parametrize("num_refused", [1, 2])
async def test_a_full_queue_that_clears_in_time_is_not_noticed(
    gateway: RunningGateway, stand_in: StandIn, num_refused: int
) -> None:
    stand_in.refuse_next = 3 * num_refused
    async with line_of(service_of(gateway), RATE_HZ) as line:
        await line.send(LLMFullResponseStartFrame(), LLMTextFrame(SENTENCE), LLMFullResponseEndFrame())
        # Pipecat takes a turn for over after 3 s of silence; on a slow machine the retries may take as long
        frames = [*await line.read_to(TTSAudioRawFrame), *await line.read_to(TTSStoppedFrame)]
    assert_said(hear_pcm(b"".join(frame.audio for frame in audio_of(frames)), RATE_HZ), SENTENCE, within_s=0.1)
