"""A server that lies or never ends costs bounded memory, and is told."""

import numpy as np
import pytest

from s1_client import AsyncS1Client, UnexpectedAnswerError
from s1_client.believing import MAX_ANSWER_BYTES, MAX_EMPTY_CHUNKS, SoundCheck
from s1_protocol.limits import MAX_FRAMES
from s1_protocol.names import ModelName
from s1_protocol.sound import FRAME_SAMPLES
from tests.unit.client.conftest import Serve
from tests.unit.client.kserve import Chunk, playing

SECOND = np.zeros(44_100, np.int16)
TOO_MANY = MAX_FRAMES * FRAME_SAMPLES + 1


def check() -> SoundCheck:
    return SoundCheck(ModelName.STREAM)


def test_the_longest_speech_is_believed_and_fits_one_message() -> None:
    longest = np.zeros(TOO_MANY - 1, np.int16)
    assert check().take(longest, 44_100).shape == (TOO_MANY - 1,)
    assert longest.nbytes < MAX_ANSWER_BYTES


@pytest.mark.parametrize("rate_hz", [0, -1, 22_050, 10**9])
def test_another_rate_is_told(rate_hz: int) -> None:
    with pytest.raises(UnexpectedAnswerError, match=f"{rate_hz} samples a second; known: 44100"):
        check().take(SECOND, rate_hz)


def test_a_rate_that_changes_is_told() -> None:
    changing = check()
    changing.take(SECOND, 44_100)
    with pytest.raises(UnexpectedAnswerError, match="48000 samples a second"):
        changing.take(SECOND, 48_000)


def test_other_types_are_told() -> None:
    with pytest.raises(UnexpectedAnswerError, match="float32"):
        check().take(np.zeros(4, np.float32), 44_100)  # type: ignore[arg-type]  # as a server may


def test_sound_without_end_is_told() -> None:
    endless = check()
    piece = np.zeros(TOO_MANY // 2, np.int16)
    endless.take(piece, 44_100)
    endless.take(piece, 44_100)
    with pytest.raises(UnexpectedAnswerError, match="sound without end"):
        endless.take(SECOND, 44_100)


def test_empty_chunks_without_end_are_told() -> None:
    endless = check()
    for _ in range(MAX_EMPTY_CHUNKS):
        endless.take(SECOND[:0], 44_100)
    with pytest.raises(UnexpectedAnswerError, match="sound without end"):
        endless.take(SECOND[:0], 44_100)


async def test_a_stream_of_empty_chunks_ends_with_an_error(serve: Serve) -> None:
    url, _ = serve(playing(*(Chunk(index, samples=SECOND[:0]) for index in range(1000))))
    async with AsyncS1Client(url) as client:
        with pytest.raises(UnexpectedAnswerError, match="sound without end"):
            async for _ in client.stream("Hello."):
                pass
