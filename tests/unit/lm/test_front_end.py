"""A checkpoint that declares phonemes is given them: for the text and for its voices' transcripts."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from s1_protocol.errors import InvalidArgumentError
from s1_training.development.checkpoint import write_dev_checkpoint
from s1_tts.lm.engine import LmEngine
from s1_tts.settings import Settings
from s1_tts.speech_task import Sampling, SpeechTask, VoicePrompt
from s1_tts.text.front_end import ESPEAK_PHONEMES_EN, EspeakPhonemes, save_text_front_end
from tests.unit.lm.helpers import Listener

VOICE = VoicePrompt("A voice, recorded.", np.random.default_rng(3).integers(0, 1024, (10, 8)).astype(np.int32))
REQUEST = SpeechTask("Hello there.", Sampling(seed=1), max_frames=8)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LmEngine, LmEngine]]:
    """An engine that is given phonemes, and one of the same weights that reads what it is given."""
    plain = tmp_path_factory.mktemp("plain")
    write_dev_checkpoint(plain, "tiny")
    declared = tmp_path_factory.mktemp("declared")
    shutil.copytree(plain, declared, dirs_exist_ok=True)
    save_text_front_end(declared, ESPEAK_PHONEMES_EN)
    loaded = [
        LmEngine.load(Settings(checkpoint=folder, device="cpu", max_slots=2, dtype="float32", context_tokens=512))
        for folder in (declared, plain)
    ]
    for engine in loaded:
        engine.start()
    yield loaded[0], loaded[1]
    for engine in loaded:
        engine.close()


@pytest.mark.parametrize("prompts", [(), (VOICE,)])
def test_text_and_transcripts_are_read_as_phonemes(
    engines: tuple[LmEngine, LmEngine], prompts: tuple[VoicePrompt, ...]
) -> None:
    front_end = EspeakPhonemes()
    by_hand = SpeechTask(
        front_end(REQUEST.text),
        REQUEST.sampling,
        max_frames=8,
        prompts=tuple(replace(prompt, transcript=front_end(prompt.transcript)) for prompt in prompts),
    )
    listeners = [Listener(), Listener()]
    for engine, request, listener in zip(engines, (replace(REQUEST, prompts=prompts), by_hand), listeners, strict=True):
        engine.submit(request, listener)
    np.testing.assert_array_equal(listeners[0].codes(), listeners[1].codes())


def test_what_it_cannot_read_is_refused_before_it_costs_anything(engines: tuple[LmEngine, LmEngine]) -> None:
    with pytest.raises(InvalidArgumentError, match="English"):
        engines[0].submit(SpeechTask("Hello. Привет всем."), Listener())
    assert engines[0].stats().waiting == {"call": 0, "note": 0}


def test_a_request_decides_whether_amounts_are_spelled_out(engines: tuple[LmEngine, LmEngine]) -> None:
    front_end = EspeakPhonemes()
    amount = replace(REQUEST, text="It is $5.")
    for normalize in (True, False):
        by_hand = replace(REQUEST, text=front_end(amount.text, normalize=normalize))
        listeners = [Listener(), Listener()]
        requests = (replace(amount, normalize=normalize), by_hand)
        for engine, request, listener in zip(engines, requests, listeners, strict=True):
            engine.submit(request, listener)
        np.testing.assert_array_equal(listeners[0].codes(), listeners[1].codes())
    assert front_end(amount.text, normalize=True) != front_end(amount.text, normalize=False)
