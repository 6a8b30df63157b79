"""A bot that speaks with Pipecat's own Fish and Cartesia services through the gateway, and is interrupted."""

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.fish.tts import FishAudioTTSService

from tests.gateway.hearing import assert_said, hear_pcm
from tests.gateway.running import RunningGateway, until
from tests.gateway.stand_in import StandIn, seconds_of
from tests.pipelines import Line, audio_of, line_of

SENTENCE = "Hello there, this is what I have to say."
SECOND = "And this is the second thing."
LONG = "This sentence is said again and again, " * 6


class SelfHostedFish(FishAudioTTSService):
    """Pipecat's service has no argument for the address."""

    def __init__(self, *, url: str, **options: object) -> None:
        super().__init__(**options)
        self._base_url = url


def fish_of(gateway: RunningGateway) -> SelfHostedFish:
    return SelfHostedFish(url=f"{gateway.socket_url}/v1/tts/live", api_key="unused")


async def take_turn(line: Line, *sentences: str) -> None:
    texts = [LLMTextFrame(f"{sentence} ") for sentence in sentences]
    await line.send(LLMFullResponseStartFrame(), *texts, LLMFullResponseEndFrame())


def sound_of(frames: list, rate_hz: int) -> bytes:
    assert not [frame for frame in frames if isinstance(frame, ErrorFrame)]
    assert {frame.sample_rate for frame in audio_of(frames)} == {rate_hz}
    return b"".join(frame.audio for frame in audio_of(frames))


async def interrupt_and_go_on(line: Line, gateway: RunningGateway, stand_in: StandIn) -> None:
    """Interrupt a long turn at its first sound: the server's work for it ends, and the next turn is heard."""
    stand_in.speedup = 1.0
    await take_turn(line, f"{LONG}.")
    await line.read_to(TTSAudioRawFrame)
    assert stand_in.num_open >= 1
    await line.send(InterruptionFrame())
    await line.read_to(InterruptionFrame)
    until(lambda: stand_in.num_open == 0 and gateway.num_open == 0)
    assert stand_in.num_cancelled >= 1
    stand_in.speedup = float("inf")
    await take_turn(line, SENTENCE)
    assert_said(hear_pcm(sound_of(await line.read_to(TTSStoppedFrame), 24_000), 24_000), SENTENCE, within_s=0.1)


@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
async def test_fish_is_heard_turn_after_turn_at_the_pipelines_rate(
    gateway: RunningGateway, stand_in: StandIn, rate_hz: int
) -> None:
    async with line_of(fish_of(gateway), rate_hz) as line:
        for _ in range(2):
            await take_turn(line, SENTENCE, SECOND)
            heard = hear_pcm(sound_of(await line.read_to(TTSStoppedFrame), rate_hz), rate_hz)
            assert abs(heard.duration_s - seconds_of(SENTENCE) - seconds_of(SECOND)) < 0.1
            assert abs(heard.pitch_hz - 440) < 2
    assert stand_in.texts == [SENTENCE, SECOND] * 2


async def test_fish_is_interrupted_and_the_next_turn_is_heard(gateway: RunningGateway, stand_in: StandIn) -> None:
    async with line_of(fish_of(gateway), 24_000) as line:
        await interrupt_and_go_on(line, gateway, stand_in)


async def test_fish_waits_for_a_full_server_instead_of_losing_the_turn(
    gateway: RunningGateway, stand_in: StandIn
) -> None:
    stand_in.refuse_next = 10  # some 5 s; after 3 s without sound Pipecat throws the rest of a turn away
    async with line_of(fish_of(gateway), 24_000) as line:
        await take_turn(line, SENTENCE)
        sound = sound_of(await line.read_to(TTSStoppedFrame), 24_000)
    spoken = sound[len(sound) - len(sound.lstrip(b"\0")) & ~1 :]
    assert_said(hear_pcm(spoken, 24_000), SENTENCE, within_s=0.2)


def cartesia_of(gateway: RunningGateway) -> CartesiaTTSService:
    return CartesiaTTSService(url=f"{gateway.socket_url}/tts/websocket", api_key="unused")


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000])
async def test_cartesia_is_heard_turn_after_turn_and_tells_what_was_said(
    gateway: RunningGateway, stand_in: StandIn, rate_hz: int
) -> None:
    async with line_of(cartesia_of(gateway), rate_hz) as line:
        for _ in range(2):
            await take_turn(line, SENTENCE, SECOND)
            frames = await line.read_to(TTSStoppedFrame)
            heard = hear_pcm(sound_of(frames, rate_hz), rate_hz)
            assert abs(heard.duration_s - seconds_of(SENTENCE) - seconds_of(SECOND)) < 0.1
            assert abs(heard.pitch_hz - 440) < 2
            frames += await line.read_to(LLMFullResponseEndFrame)
            # what the bot remembers that it said
            spoken = " ".join(frame.text for frame in frames if isinstance(frame, TTSTextFrame))
            assert spoken.split() == f"{SENTENCE} {SECOND}".split()
    assert stand_in.texts == [SENTENCE, SECOND] * 2


async def test_cartesia_is_interrupted_on_the_socket_and_the_next_turn_is_heard(
    gateway: RunningGateway, stand_in: StandIn
) -> None:
    service = cartesia_of(gateway)
    async with line_of(service, 24_000) as line:
        socket = service._websocket
        await interrupt_and_go_on(line, gateway, stand_in)
        assert service._websocket is socket
