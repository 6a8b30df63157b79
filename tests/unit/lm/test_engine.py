"""Streams join, leave, fail and are refused; what a request gets does not depend on who is beside it."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s1_protocol.errors import CancelledError, InternalError, InvalidArgumentError, UnavailableError
from s1_protocol.names import ServiceClass
from s1_tts.lm.decode import decode_step
from s1_tts.lm.engine import LmEngine
from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.lm.stepping import PromptPiece, Row
from s1_tts.speech_task import Sampling, SpeechTask, VoicePrompt
from tests.unit.lm.helpers import TIMEOUT_S, Listener, make_engine

VOICE = VoicePrompt("a voice", np.random.default_rng(3).integers(0, 1024, (10, 40)).astype(np.int32))
REQUESTS = (
    SpeechTask("Hello there.", Sampling(seed=1)),
    SpeechTask("A longer sentence that says a little more than hello.", Sampling(seed=2, temperature=1.0)),
    SpeechTask("Greedy.", Sampling(temperature=0.0)),
    SpeechTask("With a voice.", Sampling(seed=4, top_p=1.0), prompts=(VOICE,)),
    SpeechTask("Cut short.", Sampling(seed=5), max_frames=7),
    SpeechTask("In small pieces.", Sampling(seed=6, repetition_penalty=1.5), chunk_frames=3),
)


@pytest.fixture(scope="module")
def engine(tiny_model: LanguageModel) -> Iterator[LmEngine]:
    engine = make_engine(tiny_model)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def alone(engine: LmEngine) -> list[np.ndarray]:
    return [say(engine, request).codes() for request in REQUESTS]


def say(engine: LmEngine, request: SpeechTask) -> Listener:
    listener = Listener()
    engine.submit(request, listener)
    assert listener.ended.wait(TIMEOUT_S)
    return listener


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


def test_prefill_in_pieces_equals_prefill_at_once(tiny_model: LanguageModel, alone: list[np.ndarray]) -> None:
    engine = make_engine(tiny_model, prefill_tokens=1000)
    engine.start()
    try:
        np.testing.assert_array_equal(say(engine, REQUESTS[3]).codes(), alone[3])
    finally:
        engine.close()


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


def test_a_long_text_is_one_stream_of_parts(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, part_characters=20)
    engine.start()
    listener = say(engine, SpeechTask("One part is here. Another is there. The last one.", Sampling(seed=1)))
    capped = say(engine, SpeechTask("One part is here. Another is there.", Sampling(seed=1), max_frames=50))
    engine.close()
    assert listener.codes().shape[1] > 60, "three parts of about 25 frames"
    assert capped.codes().shape[1] == 50, "the limit counts over all parts"
    np.testing.assert_array_equal(capped.codes(), listener.codes()[:, :50])


def test_parts_that_outgrow_the_context_go_on_in_a_fresh_one(tiny_folder: Path) -> None:
    loaded = load_language_model(tiny_folder, torch.device("cpu"), torch.float32, num_positions=128)
    engine = make_engine(loaded, part_characters=40)
    engine.start()
    text = "A sentence of thirty letters. " * 6
    codes = say(engine, SpeechTask(text, Sampling(seed=1))).codes()
    engine.close()
    assert codes.shape[1] > 128


def test_a_full_queue_refuses_at_once(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1, queue=2)  # not started: nothing leaves
    listeners = [Listener() for _ in range(4)]
    for listener in listeners[:3]:
        engine.submit(REQUESTS[0], listener)
    with pytest.raises(UnavailableError, match="queue is full"):
        engine.submit(REQUESTS[0], listeners[3])
    assert engine.stats().refused == 1
    engine.close()
    for listener in listeners[:3]:
        assert isinstance(listener.error(), UnavailableError)


def test_a_deadline_that_cannot_be_met_is_refused(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1)
    engine.start()
    try:
        say(engine, REQUESTS[0])  # from now on the rates are measured
        with pytest.raises(UnavailableError, match="deadline_ms: 1 cannot be met"):
            engine.submit(replace(REQUESTS[0], deadline_ms=1), Listener())
        assert say(engine, replace(REQUESTS[0], deadline_ms=60_000)).failure is None
    finally:
        engine.close()


def test_a_deadline_that_passes_ends_the_stream(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1)
    listener = Listener()
    engine.submit(replace(REQUESTS[0], deadline_ms=1), listener)  # nothing is measured yet, so it is taken
    threading.Event().wait(0.01)
    engine.start()
    try:
        assert isinstance(listener.error(), UnavailableError)
        assert "has passed" in str(listener.error())
        assert engine.stats().active == {"call": 0, "note": 0}
    finally:
        engine.close()


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


def test_cancelling_frees_the_slot_and_the_queue_moves_on(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1)
    engine.start()
    first, second = Listener(), Listener()
    first_id = engine.submit(replace(REQUESTS[1], max_frames=4096), first)
    engine.submit(REQUESTS[4], second)
    assert first.started.wait(TIMEOUT_S)
    engine.abort([first_id, 12345])
    assert isinstance(first.error(), CancelledError)
    assert second.codes().shape[1] == 7
    stats = engine.stats()
    assert (stats.cancelled, stats.finished + stats.cut, stats.active["note"]) == (1, 1, 0)
    engine.close()


def test_an_abort_can_give_another_reason(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model)
    listener = Listener()
    stream_id = engine.submit(REQUESTS[0], listener)
    engine.abort([stream_id], InternalError("abc"))
    engine.start()
    assert "abc" in str(listener.error())
    engine.close()


def test_a_closed_engine_takes_nothing(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model)
    engine.start()
    engine.close()
    with pytest.raises(UnavailableError, match="shutting down"):
        engine.submit(REQUESTS[0], Listener())


def test_a_prompt_over_the_context_is_refused(engine: LmEngine) -> None:
    codes = np.zeros((10, 1100), dtype=np.int32)
    with pytest.raises(InvalidArgumentError, match="at most 1023 tokens"):
        engine.submit(SpeechTask("Hi", prompts=(VoicePrompt("long", codes),)), Listener())


def test_calls_overtake_waiting_notes(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model, slots=1)
    order: list[str] = []

    class Named(Listener):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def __call__(self, event: object) -> None:
            if not self.started.is_set():
                order.append(self.name)
            super().__call__(event)  # type: ignore[arg-type]

    listeners = []
    for name in ("note 1", "note 2", "call"):
        service = ServiceClass.CALL if name == "call" else ServiceClass.NOTE
        listeners.append(Named(name))
        engine.submit(replace(REQUESTS[4], service=service), listeners[-1])
    engine.start()
    for listener in listeners:
        listener.codes()
    assert order == ["call", "note 1", "note 2"]
    engine.close()


def test_timings_are_kept_until_they_are_collected(tiny_model: LanguageModel) -> None:
    engine = make_engine(tiny_model)
    engine.start()
    frames = say(engine, REQUESTS[0]).codes().shape[1]
    engine.close()
    timings = engine.drain_timings()
    assert len(timings.step_s) == len(timings.step_rows) == frames + 1  # the last one ends the utterance
    assert len(timings.prefill_s) == len(timings.first_frame_s) == len(timings.queue_s) == 1
    assert engine.drain_timings().step_s == []


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


PARTS = "One sentence of it. And a second one, not much longer. A third! And the last of them all."


@pytest.mark.parametrize("slots", [1, 4])
def test_a_step_ahead_changes_no_code(tiny_model: LanguageModel, alone: list[np.ndarray], slots: int) -> None:
    """Streams end, are cut short, go on with another part and give their slot away while a step of theirs is flying."""
    tasks = [*REQUESTS, SpeechTask(PARTS, Sampling(seed=8))]
    plain = make_engine(tiny_model, slots=slots, part_characters=25)
    plain.start()
    expected = [say(plain, task).codes() for task in tasks]
    plain.close()
    ahead = make_engine(tiny_model, slots=slots, part_characters=25, steps_ahead=1, prefill_limit=64)
    listeners = [Listener() for _ in tasks]
    for task, listener in zip(tasks, listeners, strict=True):
        ahead.submit(task, listener)
    ahead.start()
    for listener, codes in zip(listeners, expected, strict=True):
        np.testing.assert_array_equal(listener.codes(), codes)
    assert ahead.stats().active == {"call": 0, "note": 0}
    ahead.close()


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


def test_a_stream_says_whether_all_of_its_text_was_said(engine: LmEngine) -> None:
    before = engine.stats()
    whole, cut = say(engine, REQUESTS[0]), say(engine, replace(REQUESTS[0], max_frames=7, chunk_frames=3))
    assert [chunk.is_cut for chunk in whole.chunks] == [False] * len(whole.chunks)
    assert [chunk.is_cut for chunk in cut.chunks] == [False, False, True]
    after = engine.stats()
    assert (after.finished - before.finished, after.cut - before.cut) == (1, 1)


def test_a_part_that_is_left_out_for_want_of_frames_is_told(engine: LmEngine) -> None:
    first = REQUESTS[0].text.ljust(280, "x") + "."
    length = say(engine, replace(REQUESTS[0], text=first)).codes().shape[1]
    both = replace(REQUESTS[0], text=f"{first} {first}", max_frames=length)
    assert say(engine, both).chunks[-1].is_cut


MOST_FRAMES_ONCE = 4096
"""What the largest ``max_frames`` once gave, which was too few for a long text."""


def test_a_long_text_is_said_whole_without_a_word_about_frames(tiny_model: LanguageModel) -> None:
    text = " ".join(f"This is sentence number {number}, and it says what it has to say." for number in range(32))
    engine = make_engine(tiny_model, part_characters=100)
    engine.start()
    said = say(engine, SpeechTask(text, Sampling(seed=1)))
    assert not said.chunks[-1].is_cut
    assert said.codes().shape[1] > MOST_FRAMES_ONCE
    engine.close()


@pytest.mark.parametrize(
    ("text", "fewest", "most"), [("Hi.", 2048, 2048), ("word " * 2000, 15_000, 30_000), ("字" * 10_000, 60_000, 65_536)]
)
def test_frames_are_enough_for_any_text(text: str, fewest: int, most: int) -> None:
    assert fewest <= SpeechTask(text).most_frames <= most
    assert SpeechTask(text, max_frames=9).most_frames == 9
