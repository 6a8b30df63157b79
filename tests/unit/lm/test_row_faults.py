"""One row's fault is one row's: no request runs over the context, and no fault of a row ends its neighbours."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s1_protocol.errors import InternalError, InvalidArgumentError
from s1_tts.lm.decode import decode_step
from s1_tts.lm.engine import LmEngine
from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.lm.stepping import PromptPiece
from s1_tts.speech_task import Sampling, SpeechTask, VoicePrompt
from tests.unit.lm.helpers import Listener, make_engine

CONTEXT = 96
PART_CHARACTERS = 24
NEIGHBOUR = SpeechTask("Hello there.", Sampling(seed=1), max_frames=30)
BAD = SpeechTask("Another one beside it.", Sampling(seed=2))


@pytest.fixture(scope="module")
def small_context(tiny_folder: Path) -> LanguageModel:
    return load_language_model(tiny_folder, torch.device("cpu"), torch.float32, num_positions=CONTEXT)


@pytest.fixture(scope="module", params=[(0, 0), (1, 64)], ids=["plain", "step ahead, prompts together"])
def engine(small_context: LanguageModel, request: pytest.FixtureRequest) -> Iterator[LmEngine]:
    steps_ahead, prefill_limit = request.param
    engine = make_engine(
        small_context, part_characters=PART_CHARACTERS, steps_ahead=steps_ahead, prefill_limit=prefill_limit
    )
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def neighbour_codes(engine: LmEngine) -> np.ndarray:
    listener = Listener()
    engine.submit(NEIGHBOUR, listener)
    return listener.codes()


def voice_of(num_frames: int) -> VoicePrompt:
    return VoicePrompt("v", np.random.default_rng(num_frames).integers(0, 1024, (10, num_frames)).astype(np.int32))


# Of each word one letter is a token or so: the parts end on every side of the room that the voice leaves.
TEXTS = st.lists(st.integers(1, 30), min_size=1, max_size=4).map(
    lambda lengths: " ".join("ab" * (length // 2) + "c" * (length % 2) + "." for length in lengths)
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(voice_frames=st.integers(0, CONTEXT), text=TEXTS, max_frames=st.sampled_from([0, 1, 7, 100]))
def test_no_request_runs_over_the_context_or_touches_its_neighbour(
    engine: LmEngine, neighbour_codes: np.ndarray, voice_frames: int, text: str, max_frames: int
) -> None:
    prompts = (voice_of(voice_frames),) if voice_frames else ()
    beside, listener = Listener(), Listener()
    engine.submit(NEIGHBOUR, beside)
    with suppress(InvalidArgumentError):
        engine.submit(SpeechTask(text, Sampling(seed=3), max_frames=max_frames, prompts=prompts), listener)
        assert listener.codes().shape[1] > 0
    np.testing.assert_array_equal(beside.codes(), neighbour_codes)
    assert engine.stats().failed == 0


def test_a_second_part_that_does_not_fit_is_refused_at_the_door(engine: LmEngine, neighbour_codes: np.ndarray) -> None:
    beside = Listener()
    engine.submit(NEIGHBOUR, beside)
    with pytest.raises(InvalidArgumentError, match="at most 95 tokens"):
        engine.submit(SpeechTask("Hi you. " + "ab" * 11 + ".", prompts=(voice_of(70),)), Listener())
    np.testing.assert_array_equal(beside.codes(), neighbour_codes)


def test_a_prompt_that_grew_over_the_context_ends_its_own_stream(engine: LmEngine, neighbour_codes: np.ndarray) -> None:
    """The door is not believed: what a part takes is looked at again where it is computed."""
    beside, listener = Listener(), Listener()
    too_long = np.zeros((11, CONTEXT), dtype=np.int64)
    with patch.object(engine._parts, "_fresh_context", lambda _sequence: too_long):
        engine.submit(NEIGHBOUR, beside)
        engine.submit(SpeechTask("One part is here now. " * 6, Sampling(seed=3)), listener)
        assert isinstance(listener.error(), InvalidArgumentError)
    np.testing.assert_array_equal(beside.codes(), neighbour_codes)


def slot_of_the_bad_one(engine: LmEngine) -> int:
    return next((sequence.slot for sequence in engine._scheduler.running if sequence.request.text == BAD.text), -1)


def test_a_row_that_breaks_the_step_ends_alone(engine: LmEngine, neighbour_codes: np.ndarray) -> None:
    def broken(model: object, state: object, rows: object) -> torch.Tensor:
        if slot_of_the_bad_one(engine) in rows.slots.tolist():  # type: ignore[attr-defined]
            raise RuntimeError("secret detail")
        return decode_step(model, state, rows)  # type: ignore[arg-type]

    good, bad = [Listener() for _ in range(2)], Listener()
    failed = engine.stats().failed
    with patch("s1_tts.lm.runner.decode_step", broken):
        engine.submit(NEIGHBOUR, good[0])
        engine.submit(BAD, bad)
        engine.submit(NEIGHBOUR, good[1])
        assert isinstance(bad.error(), InternalError)
        for listener in good:
            np.testing.assert_array_equal(listener.codes(), neighbour_codes)
    assert engine.stats().failed == failed + 1


def test_a_prompt_that_breaks_ends_alone(engine: LmEngine, neighbour_codes: np.ndarray) -> None:
    prefill_pieces = engine._runner.prefill_pieces

    def broken(pieces: list[PromptPiece]) -> None:
        prefill_pieces(pieces[:-1])
        if any(piece.slot == slot_of_the_bad_one(engine) for piece in pieces):
            raise RuntimeError("secret detail")
        prefill_pieces(pieces[-1:])

    good, bad = [Listener() for _ in range(2)], Listener()
    with patch.object(engine._runner, "prefill_pieces", broken):
        engine.submit(NEIGHBOUR, good[0])
        engine.submit(BAD, bad)
        engine.submit(NEIGHBOUR, good[1])
        assert isinstance(bad.error(), InternalError)
        for listener in good:
            np.testing.assert_array_equal(listener.codes(), neighbour_codes)
