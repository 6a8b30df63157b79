"""Turns of a LiveKit agent, spoken over a socket as its language model writes them."""

import asyncio

from livekit import rtc
from livekit.agents import APIConnectOptions, tts

from tests.gateway.hearing import Heard, assert_said, hear_pcm
from tests.gateway.running import RunningGateway, until
from tests.gateway.stand_in import StandIn

ONCE = APIConnectOptions(max_retry=0)


def heard_in(frames: list[rtc.AudioFrame]) -> Heard:
    (rate_hz,) = {frame.sample_rate for frame in frames}
    return hear_pcm(b"".join(bytes(frame.data) for frame in frames), rate_hz)


async def frames_of_turn(speaker: tts.TTS, *texts: str) -> list[rtc.AudioFrame]:
    """Push texts word by word; gives all frames of the turn."""
    async with speaker.stream(conn_options=ONCE) as stream:
        for text in texts:
            for word in text.split(" "):
                stream.push_text(f"{word} ")
        stream.end_input()
        return [event.frame async for event in stream]


async def assert_interrupted_turn_stops(
    speaker: tts.TTS, gateway: RunningGateway, stand_in: StandIn, long: str, following: str
) -> None:
    """Leave a long turn at its first sound: the next one is whole, and the server's work for the first ends.

    Args:
        speaker: The plugin.
        gateway: What it speaks through.
        stand_in: The server behind it.
        long: The turn that is interrupted.
        following: The turn after it.
    """
    stand_in.speedup = 1.0
    stream = speaker.stream(conn_options=ONCE)
    stream.push_text(long)
    stream.end_input()
    await anext(aiter(stream))
    await stream.aclose()
    # LiveKit closes the socket of an interrupted turn when it opens the one of the next
    stand_in.speedup = float("inf")
    assert_said(heard_in(await frames_of_turn(speaker, following)), following, within_s=0.15)
    await asyncio.to_thread(until, lambda: stand_in.num_open == 0 and gateway.num_open == 0)
    assert stand_in.num_cancelled >= 1
