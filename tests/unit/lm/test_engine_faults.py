"""What breaks ends as few streams as it can, and the engine goes on; a lost device ends it."""

import threading
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import pytest
import torch

from s1_protocol.errors import InternalError, InvalidArgumentError, UnavailableError
from s1_tts.lm.decode import decode_step
from s1_tts.lm.loading import LanguageModel
from tests.unit.lm.helpers import REQUESTS, TIMEOUT_S, Listener, make_engine, say


@pytest.mark.slow
def test_a_row_with_a_nan_fails_alone(tiny_model: LanguageModel, alone: list[np.ndarray]) -> None:
    engine = make_engine(tiny_model)
    bad, good = Listener(), Listener()
    bad_id = engine.submit(REQUESTS[1], bad)
    engine.submit(REQUESTS[0], good)

    def poisoned(model: object, state: object, rows: object) -> torch.Tensor:
        sequence = engine._sequences.get(bad_id)
        if sequence is not None and sequence.num_frames == 5:
            engine._runner.pool.keys[:, sequence.slot] = torch.nan
        return decode_step(model, state, rows)  # type: ignore[arg-type]

    with patch("s1_tts.lm.runner.decode_step", poisoned):
        engine.start()
        assert isinstance(bad.error(), InternalError)
        np.testing.assert_array_equal(good.codes(), alone[0])
    again = [say(engine, REQUESTS[1]) for _ in range(4)]  # every slot, the poisoned one too
    assert all(np.array_equal(listener.codes(), alone[1]) for listener in again)
    engine.close()


def test_a_step_that_breaks_fails_those_in_flight_and_leaves_a_working_engine(
    tiny_model: LanguageModel, alone: list[np.ndarray]
) -> None:
    engine = make_engine(tiny_model)
    listeners = [Listener() for _ in range(3)]
    for listener in listeners:
        engine.submit(REQUESTS[0], listener)
    with patch("s1_tts.lm.runner.decode_step", side_effect=RuntimeError("out of memory: secret detail")):
        engine.start()
        for listener in listeners:
            assert isinstance(listener.error(), InternalError)
            assert "secret" not in str(listener.error())
    assert engine.stats().failed == 3
    np.testing.assert_array_equal(say(engine, REQUESTS[0]).codes(), alone[0])
    engine.close()


def test_a_fault_in_one_prompt_fails_that_stream_alone(tiny_model: LanguageModel, alone: list[np.ndarray]) -> None:
    engine = make_engine(tiny_model)
    bad, good = Listener(), Listener()
    engine.submit(REQUESTS[0], good)
    bad_id = engine.submit(REQUESTS[1], bad)
    prefill = engine._runner.prefill

    def broken(slot: int, columns: np.ndarray, start: int) -> None:
        sequence = engine._sequences.get(bad_id)
        if sequence is not None and sequence.slot == slot:
            raise RuntimeError("secret detail")
        prefill(slot, columns, start)

    with patch.object(engine._runner, "prefill", broken):
        engine.start()
        assert isinstance(bad.error(), InternalError)
        np.testing.assert_array_equal(good.codes(), alone[0])
    np.testing.assert_array_equal(say(engine, REQUESTS[1]).codes(), alone[1])
    engine.close()


def test_a_sink_that_fails_ends_its_own_stream_only(tiny_model: LanguageModel, alone: list[np.ndarray]) -> None:
    engine = make_engine(tiny_model)
    good = Listener()

    def broken(event: object) -> None:
        raise OSError("nobody listens")

    engine.submit(REQUESTS[1], broken)
    engine.submit(REQUESTS[0], good)
    engine.start()
    np.testing.assert_array_equal(good.codes(), alone[0])
    np.testing.assert_array_equal(say(engine, REQUESTS[0]).codes(), alone[0])
    engine.close()
    assert engine.stats().failed == 1


def test_the_loop_outlives_a_slot_that_cannot_be_cleared(tiny_model: LanguageModel, alone: list[np.ndarray]) -> None:
    engine = make_engine(tiny_model)
    listeners = [Listener() for _ in range(2)]
    for listener in listeners:
        engine.submit(REQUESTS[0], listener)
    broken = RuntimeError("the device is gone")
    with (
        patch("s1_tts.lm.runner.decode_step", side_effect=broken),
        patch.object(engine._runner, "discard", side_effect=broken),
    ):
        engine.start()
        assert all(isinstance(listener.error(), InternalError) for listener in listeners)
    np.testing.assert_array_equal(say(engine, REQUESTS[0]).codes(), alone[0])
    engine.close()


def test_nothing_to_say_is_an_error(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model)
    num_semantic = tiny_model.model.num_semantic

    def ends_at_once(model: object, state: object, rows: object) -> torch.Tensor:
        frames = decode_step(model, state, rows)  # type: ignore[arg-type]
        frames[:, 0] = num_semantic
        return frames

    with patch("s1_tts.lm.runner.decode_step", ends_at_once):
        engine.start()
        assert isinstance(say(engine, REQUESTS[0]).error(), InvalidArgumentError)
    engine.close()


def test_a_lost_device_ends_every_stream_and_tells_whoever_can_end_the_process(tiny_model: LanguageModel) -> None:
    """A context that is lost fails every call from then on, those that clear a slot too; nobody may wait for ever."""
    left = threading.Event()
    engine = make_engine(tiny_model, slots=2, on_lost=left.set)

    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    calls = ("launch", "collect", "discard", "open", "prefill_pieces", "start")
    listeners = [Listener() for _ in range(5)]  # more than there are slots
    with ExitStack() as patches:
        for name in calls:
            patches.enter_context(patch.object(engine._runner, name, broken))
        patches.enter_context(patch.object(engine._runner, "is_lost", return_value=True))
        for listener in listeners:
            engine.submit(REQUESTS[0], listener)
        engine.start()
        for listener in listeners:
            assert isinstance(listener.error(), InternalError)
        assert left.wait(TIMEOUT_S)
        with pytest.raises(UnavailableError):
            engine.submit(REQUESTS[0], Listener())
    engine.close()


def test_a_model_that_cannot_be_warmed_up_does_not_start(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, is_warmed_up=True)
    fault = RuntimeError("no memory")
    with patch.object(engine._runner, "warm_up", side_effect=fault), pytest.raises(RuntimeError, match="no memory"):
        engine.start()
    engine.close()


def test_the_thread_that_serves_warms_the_model_up(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, is_warmed_up=True)
    warm_up, names = engine._runner.warm_up, []

    def watched() -> None:
        names.append(threading.current_thread().name)
        warm_up()

    with patch.object(engine._runner, "warm_up", watched):
        engine.start()
    assert names == ["s1-lm-engine"]
    engine.close()
