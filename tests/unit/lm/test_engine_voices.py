"""A voice's prompt is computed once, changes nothing and is kept within its bytes."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest

from s1_tts.lm.loading import LanguageModel
from s1_tts.lm.stepping import PromptPiece
from s1_tts.speech_task import VoicePrompt
from tests.unit.lm.helpers import REQUESTS, VOICE, Listener, make_engine, say


def test_prefill_in_pieces_equals_prefill_at_once(tiny_model: LanguageModel, alone: list[np.ndarray]) -> None:
    engine = make_engine(tiny_model, prefill_tokens=1000)
    engine.start()
    try:
        np.testing.assert_array_equal(say(engine, REQUESTS[3]).codes(), alone[3])
    finally:
        engine.close()


@pytest.mark.slow
def test_a_voice_is_computed_once_and_changes_nothing(tiny_model: LanguageModel, alone: list[np.ndarray]) -> None:
    other = VoicePrompt(VOICE.transcript, (VOICE.codes + 1) % 1024)
    with_other = replace(REQUESTS[3], prompts=(other,))
    without_cache = make_engine(tiny_model, prefix_bytes=0)
    without_cache.start()
    expected = say(without_cache, with_other).codes()
    without_cache.close()
    engine = make_engine(tiny_model)
    engine.start()
    for request, codes in ((REQUESTS[3], alone[3]), (with_other, expected)) * 2:
        np.testing.assert_array_equal(say(engine, request).codes(), codes)
    say(engine, REQUESTS[0])
    stats = engine.stats()
    engine.close()
    assert (stats.prefix_hits, stats.prefix_misses) == (2, 2)
    assert not np.array_equal(expected[:, :10], alone[3][:, :10]), "two voices that differ in their codes only"


def test_many_askers_of_a_new_voice_compute_it_once(tiny_model: LanguageModel, alone: list[np.ndarray]) -> None:
    engine = make_engine(tiny_model)
    listeners = [Listener() for _ in range(4)]
    for listener in listeners:
        engine.submit(REQUESTS[3], listener)
    engine.start()
    for listener in listeners:
        np.testing.assert_array_equal(listener.codes(), alone[3])
    assert (engine.stats().prefix_hits, engine.stats().prefix_misses) == (3, 1)
    engine.close()


def test_kept_voices_are_bounded_by_bytes(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, prefix_bytes=100_000)
    engine.start()
    rng = np.random.default_rng(0)
    for index in range(6):
        voice = VoicePrompt(f"voice {index}", rng.integers(0, 1024, (10, 40)).astype(np.int32))
        say(engine, replace(REQUESTS[4], prompts=(voice,)))
        assert 0 < engine.stats().prefix_bytes <= 100_000
    engine.close()


def test_prompts_that_wait_are_computed_together_and_a_new_voice_once(
    tiny_model: LanguageModel, alone: list[np.ndarray]
) -> None:
    engine = make_engine(tiny_model, prefill_tokens=64, prefill_limit=64)
    sizes: list[int] = []
    prefill_pieces = engine._runner.prefill_pieces

    def counted(pieces: list[PromptPiece]) -> None:
        sizes.append(len(pieces))
        prefill_pieces(pieces)

    which = [0, 3, 2, 3]
    listeners = [Listener() for _ in which]
    for index, listener in zip(which, listeners, strict=True):
        engine.submit(REQUESTS[index], listener)
    with patch.object(engine._runner, "prefill_pieces", counted):
        engine.start()
        for index, listener in zip(which, listeners, strict=True):
            np.testing.assert_array_equal(listener.codes(), alone[index])
    assert max(sizes) > 1
    assert (engine.stats().prefix_hits, engine.stats().prefix_misses) == (1, 1)
    engine.close()
