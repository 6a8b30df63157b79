"""Streams join, leave, fail and are refused; what a request gets does not depend on who is beside it."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s1_protocol.errors import CancelledError
from s1_tts.lm.engine import LmEngine
from s1_tts.lm.loading import LanguageModel
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling, SpeechTask
from tests.unit.lm.helpers import REQUESTS, TIMEOUT_S, Listener, make_engine, say


def test_a_stream_ends_by_itself_after_a_plausible_length(alone: list[np.ndarray]) -> None:
    assert [codes.shape[0] for codes in alone] == [10] * len(REQUESTS)
    assert 20 < alone[0].shape[1] < 120
    assert alone[1].shape[1] > alone[0].shape[1]
    assert alone[4].shape[1] == 7


def test_codes_stay_in_their_codebooks(alone: list[np.ndarray]) -> None:
    for codes in alone:
        assert codes.min() >= 0
        assert codes[0].max() < 4096
        assert codes[1:].max() < 1024


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_request_gets_the_same_codes_in_any_company(
    engine: LmEngine, alone: list[np.ndarray], data: st.DataObject
) -> None:
    """Requests join at made-up times; some are cancelled, some fail beside the others."""
    plan = data.draw(st.lists(st.tuples(st.integers(0, len(REQUESTS) - 1), st.booleans()), min_size=2, max_size=8))
    listeners = []
    for index, is_cancelled in plan:
        listener = Listener()
        stream_id = engine.submit(REQUESTS[index], listener)
        if is_cancelled:
            if data.draw(st.booleans(), label="after the first chunk"):
                listener.started.wait(TIMEOUT_S)
            engine.abort([stream_id])
        elif data.draw(st.booleans(), label="wait before the next joins"):
            listener.started.wait(TIMEOUT_S)
        listeners.append(listener)
    for (index, is_cancelled), listener in zip(plan, listeners, strict=True):
        assert listener.ended.wait(TIMEOUT_S)
        if is_cancelled and listener.failure is not None:
            assert isinstance(listener.failure.error, CancelledError)
        else:
            np.testing.assert_array_equal(listener.codes(), alone[index])
    assert engine.stats().active == {"call": 0, "note": 0}


def test_seeds_differ_and_repeat(engine: LmEngine, alone: list[np.ndarray]) -> None:
    again = say(engine, REQUESTS[0]).codes()
    np.testing.assert_array_equal(again, alone[0])
    other = say(engine, replace(REQUESTS[0], sampling=Sampling(seed=99))).codes()
    assert not np.array_equal(other[:, :10], again[:, :10])


@pytest.mark.parametrize("chunk_frames", [1, 5, 256])
def test_chunking_does_not_change_the_codes(engine: LmEngine, alone: list[np.ndarray], chunk_frames: int) -> None:
    listener = say(engine, replace(REQUESTS[0], chunk_frames=chunk_frames))
    np.testing.assert_array_equal(listener.codes(), alone[0])
    assert [chunk.codes.shape[1] for chunk in listener.chunks[:-1]] == [chunk_frames] * (len(listener.chunks) - 1)
    assert [chunk.is_last for chunk in listener.chunks] == [False] * (len(listener.chunks) - 1) + [True]


def test_timings_are_kept_until_they_are_collected(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model)
    engine.start()
    frames = say(engine, REQUESTS[0]).codes().shape[1]
    engine.close()
    timings = engine.drain_timings()
    assert len(timings.step_s) == len(timings.step_rows) == frames + 1  # the last one ends the utterance
    assert len(timings.prefill_s) == len(timings.first_frame_s) == len(timings.queue_s) == 1
    assert engine.drain_timings().step_s == []


PARTS = "One sentence of it. And a second one, not much longer. A third! And the last of them all."
PART_CHARACTERS = 25
TASKS = (*REQUESTS, SpeechTask(PARTS, Sampling(seed=8)))


@pytest.fixture(scope="module")
def in_parts(tiny_model: LanguageModel) -> list[np.ndarray]:
    """The codes of each of ``TASKS``, made without a step ahead."""
    engine = make_engine(tiny_model, part_characters=PART_CHARACTERS)
    engine.start()
    codes = [say(engine, task).codes() for task in TASKS]
    engine.close()
    return codes


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 4])
def test_a_step_ahead_changes_no_code(tiny_model: LanguageModel, in_parts: list[np.ndarray], slots: int) -> None:
    """Streams end, are cut short, go on with another part and give their slot away while a step of theirs is flying."""
    ahead = make_engine(tiny_model, slots=slots, part_characters=PART_CHARACTERS, steps_ahead=1, prefill_limit=64)
    listeners = [Listener() for _ in TASKS]
    for task, listener in zip(TASKS, listeners, strict=True):
        ahead.submit(task, listener)
    ahead.start()
    for listener, codes in zip(listeners, in_parts, strict=True):
        np.testing.assert_array_equal(listener.codes(), codes)
    assert ahead.stats().active == {"call": 0, "note": 0}
    ahead.close()


def test_no_step_is_launched_for_a_stream_that_has_all_its_frames(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, steps_ahead=1)
    launched: list[int] = []
    launch = engine._runner.launch

    def counted(rows: list[Row]) -> None:
        launched.append(len(rows))
        launch(rows)

    with patch.object(engine._runner, "launch", counted):
        engine.start()
        assert say(engine, REQUESTS[4]).codes().shape[1] == 7
    assert launched == [1] * 7
    engine.close()
