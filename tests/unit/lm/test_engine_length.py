"""How long a stream becomes: parts of a text, limits of frames, and what is said of a text that was cut."""

import itertools
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from s1_protocol.errors import InvalidArgumentError
from s1_tts.lm.engine import LmEngine
from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.speech_task import Sampling, SpeechTask, VoicePrompt
from tests.unit.lm.helpers import REQUESTS, Listener, make_engine, say


def test_a_long_text_is_one_stream_of_parts(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, part_characters=20)
    engine.start()
    listener = say(engine, SpeechTask("One part is here. Another is there. The last one.", Sampling(seed=1)))
    capped = say(engine, SpeechTask("One part is here. Another is there.", Sampling(seed=1), max_frames=50))
    engine.close()
    assert listener.codes().shape[1] > 60, "three parts of about 25 frames"
    assert capped.codes().shape[1] == 50, "the limit counts over all parts"
    np.testing.assert_array_equal(capped.codes(), listener.codes()[:, :50])


@pytest.mark.slow
def test_parts_that_outgrow_the_context_go_on_in_a_fresh_one(tiny_folder: Path) -> None:
    loaded = load_language_model(tiny_folder, torch.device("cpu"), torch.float32, num_positions=128)
    engine = make_engine(loaded, part_characters=40)
    engine.start()
    text = "A sentence of thirty letters. " * 6
    codes = say(engine, SpeechTask(text, Sampling(seed=1))).codes()
    engine.close()
    assert codes.shape[1] > 128


def test_a_prompt_over_the_context_is_refused(engine: LmEngine) -> None:
    codes = np.zeros((10, 1100), dtype=np.int32)
    with pytest.raises(InvalidArgumentError, match="at most 1023 tokens"):
        engine.submit(SpeechTask("Hi", prompts=(VoicePrompt("long", codes),)), Listener())


def test_a_stream_says_whether_all_of_its_text_was_said(engine: LmEngine) -> None:
    before = engine.stats()
    whole, cut = say(engine, REQUESTS[0]), say(engine, replace(REQUESTS[0], max_frames=7, chunk_frames=3))
    assert [chunk.is_cut for chunk in whole.chunks] == [False] * len(whole.chunks)
    assert [chunk.is_cut for chunk in cut.chunks] == [False, False, True]
    after = engine.stats()
    assert (after.finished - before.finished, after.cut - before.cut) == (1, 1)


def test_a_part_that_is_left_out_for_want_of_frames_is_told(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, part_characters=30)
    engine.start()
    first = "The first part of two of them."
    length = say(engine, replace(REQUESTS[0], text=first)).codes().shape[1]
    both = replace(REQUESTS[0], text=f"{first} {first}", max_frames=length)
    assert say(engine, both).chunks[-1].is_cut
    engine.close()


MOST_FRAMES_ONCE = 4096
"""What the largest ``max_frames`` once gave, which was too few for a long text."""
PART_FRAMES = 150


def test_a_long_text_is_said_whole_without_a_word_about_frames(tiny_model: LanguageModel) -> None:
    """Frames are counted, not computed: each part ends after the same number of them."""
    steps = itertools.count(1)
    num_semantic, num_codebooks = tiny_model.model.num_semantic, tiny_model.model.config.num_codebooks

    def counted(model: object, state: object, rows: object) -> torch.Tensor:
        frame = torch.zeros(1, num_codebooks, dtype=torch.int64)
        frame[0, 0] = num_semantic if next(steps) % PART_FRAMES == 0 else 0
        return frame

    text = " ".join(f"This is sentence number {number}, and it says what it has to say." for number in range(32))
    engine = make_engine(tiny_model, slots=1, part_characters=100)
    with patch("s1_tts.lm.runner.decode_step", counted):
        engine.start()
        said = say(engine, SpeechTask(text, Sampling(seed=1)))
        engine.close()
    assert not said.chunks[-1].is_cut
    assert said.codes().shape[1] == 32 * (PART_FRAMES - 1) > MOST_FRAMES_ONCE


@pytest.mark.parametrize(
    ("text", "fewest", "most"), [("Hi.", 2048, 2048), ("word " * 2000, 15_000, 30_000), ("字" * 10_000, 60_000, 65_536)]
)
def test_frames_are_enough_for_any_text(text: str, fewest: int, most: int) -> None:
    assert fewest <= SpeechTask(text).most_frames <= most
    assert SpeechTask(text, max_frames=9).most_frames == 9
