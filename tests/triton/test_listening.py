"""What is heard of a server: words, told by a speech recogniser. `python -m perf hearing` asks the same of
all sentences.

Listens to the demo voice, or to the checkpoint that S1_CHECKPOINT names.
"""

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
from perf.server.hearing import NUM_SEEDS, Hearing, Sentences, hear

from s1_client import AsyncS1Client, ServerError, SpeechOptions
from s1_client.audio import Speech
from s1_client.voices import NewRecording
from s1_protocol.errors import ErrorCode
from s1_training.held_out import HELD_OUT
from s1_training.listening import Recogniser
from s1_training.speech import Samples
from s1_tts.serving.server import TritonServer
from tests.triton.callers import assert_speaks_on_each_port
from tests.triton.conftest import HAS_IPV6

NUM_SENTENCES = 12
MIN_SHARE_OF_WORDS, MIN_PICKS, MAX_LENGTH = 0.85, 0.9, 1.5

READ_AS = {
    "It costs $12.50.": "it costs twelve dollars and fifty cents",
    "THE MEETING IS AT 9:30!": "the meeting is at nine thirty",
    "dr. brown lives in boston": "doctor brown lives in boston",
    "My number is 4 7 2 9.": "my number is four seven two nine",
    "We need 3 tables & 24 chairs.": "we need three tables and twenty four chairs",
    "She was born in 1984.": "she was born in nineteen eighty four",
    "The 2nd train leaves at 7:15 p.m.": "the second train leaves at seven fifteen p m",
    "About 40% of the letters were late.": "about forty percent of the letters were late",
}
"""Texts, and how they are read."""


@pytest.fixture(scope="module")
def url(listened_server: TritonServer) -> str:
    return f"{listened_server.reachable_host}:{listened_server.ports.grpc}"


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Sentences:
    return Sentences.make(tmp_path_factory.mktemp("held-out"), NUM_SENTENCES)


@pytest.fixture(scope="module")
def hearing(url: str, sentences: Sentences) -> Hearing:
    return asyncio.run(hear(url, sentences))


def test_sentences_that_were_never_learned_are_understood(hearing: Hearing) -> None:
    assert hearing.original.words > 0.75  # the recogniser hears
    assert hearing.original.picks >= MIN_PICKS
    assert hearing.share_of_words >= MIN_SHARE_OF_WORDS
    assert hearing.streamed.picks >= MIN_PICKS


def test_one_answer_is_what_was_streamed(hearing: Hearing) -> None:
    assert hearing.differing == 0
    assert hearing.answered == hearing.streamed


def test_sentences_end_by_themselves(hearing: Hearing) -> None:
    assert 0.8 < hearing.mean_length < 1.2
    assert hearing.longest <= MAX_LENGTH


def test_every_seed_is_understood(hearing: Hearing) -> None:
    assert hearing.seeded.picks >= MIN_PICKS
    assert hearing.seeded.words >= MIN_SHARE_OF_WORDS * hearing.original_seeded.words
    assert NUM_SEEDS == 10


def test_numbers_times_amounts_and_capitals_are_read_as_words(url: str, tmp_path: Path) -> None:
    said = asyncio.run(_say(url, list(READ_AS)))
    recogniser = Recogniser(list(READ_AS.values()), tmp_path)
    recordings = [speech.samples.astype(np.float32) / 32768 for speech in said]
    understood = recogniser.listen(recordings)
    assert understood.picks >= 7 / 8
    others = recogniser.listen(recordings[1:] + recordings[:1])  # none is what it is not
    assert others.picks == 0


async def test_a_caller_may_want_amounts_read_as_they_are_written(url: str) -> None:
    async with AsyncS1Client(url) as client:

        async def said(text: str, normalize: bool | None) -> np.ndarray:
            return (await client.speak(text, SpeechOptions(seed=1, normalize=normalize))).samples

        written, spelled = "It is $5.", "It is five dollars."
        np.testing.assert_array_equal(await said(written, None), await said(spelled, None))
        np.testing.assert_array_equal(await said(written, True), await said(spelled, None))
        np.testing.assert_array_equal(await said(written, False), await said("It is dollars five.", False))
        assert not np.array_equal(await said(written, False), await said(spelled, False))


def test_a_voice_stored_from_its_own_speech_says_words(url: str, sentences: Sentences, tmp_path: Path) -> None:
    """Through the encoder, the voice store and a prompt with codes."""
    recording = tmp_path / "recording.wav"
    Speech((np.concatenate(sentences.originals[:2]) * 32767).astype(np.int16), 44_100).save(recording)
    said = asyncio.run(_say_in_voice(url, recording.read_bytes(), sentences))
    understood = sentences.listener.listen(said, sentences.places[2:])
    assert understood.picks >= MIN_PICKS


def test_other_scripts_are_refused_and_the_server_goes_on(url: str) -> None:
    if os.environ.get("S1_CHECKPOINT"):
        pytest.skip("S1_CHECKPOINT is set: only the demo voice is bound to one script")
    with pytest.raises(ServerError, match="English, in Latin letters") as refused:
        asyncio.run(_say(url, ["Привет, как дела?"]))
    assert refused.value.code is ErrorCode.INVALID_ARG
    assert asyncio.run(_say(url, ["Hello."]))[0].duration_s > 0.3


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
async def test_a_server_on_ipv6_speaks_on_each_of_its_ports(listened_server: TritonServer) -> None:
    assert listened_server.options.host == "::1"
    await assert_speaks_on_each_port(listened_server)


async def _say(url: str, texts: list[str]) -> list[Speech]:
    async with AsyncS1Client(url) as client:
        return [await client.speak(text, SpeechOptions(seed=0)) for text in texts]


async def _say_in_voice(url: str, recording: bytes, sentences: Sentences) -> list[Samples]:
    """All sentences but the two that are in the recording."""
    transcript = " ".join(HELD_OUT[place] for place in sentences.places[:2])
    async with AsyncS1Client(url) as client:
        await client.voices.add("own", [NewRecording(recording, transcript)])
        options = SpeechOptions(seed=0, voice="own")
        said = [await client.speak(HELD_OUT[place], options) for place in sentences.places[2:]]
    return [speech.samples.astype(np.float32) / 32768 for speech in said]
