"""What is wrong or breaks ends as few streams as it can, and every chunk is answered."""

import threading
from unittest.mock import patch

import numpy as np
import pytest

from s1_protocol.errors import ErrorCode, InternalError
from s1_tts.codec.batch_policy import BatchPolicy
from s1_tts.codec.batcher import CodecBatcher, DeviceCare
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed
from tests.unit.codec.fake_decoder import SAMPLES_PER_FRAME, WAIT_S, FakeDecoder, Sink, chunk, hold


@pytest.mark.parametrize(("first", "second"), [(0, 2), (0, 0)])
def test_a_gap_or_repeat_fails_only_its_stream(
    batcher: CodecBatcher, fake: FakeDecoder, caplog: pytest.LogCaptureFixture, first: int, second: int
) -> None:
    sink, other = Sink(), Sink()
    hold(batcher, fake, Sink())
    batcher.submit(chunk(1, first), sink)
    batcher.submit(chunk(2), other)
    batcher.submit(chunk(1, second), sink)
    fake.gate.set()
    events = sink.wait(2)
    assert all(isinstance(event, StreamFailed) and isinstance(event.error, InternalError) for event in events)
    assert isinstance(other.wait(1)[0], DecodedChunk)
    assert f"stream 1 chunk {second}: the stream came to chunk {second}; allowed: 1" in caplog.text


def test_an_unknown_stream_begins_with_chunk_0(batcher: CodecBatcher, caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    batcher.start()
    batcher.submit(chunk(7, 3), sink)
    event = sink.wait(1)[0]
    assert isinstance(event, StreamFailed)
    assert isinstance(event.error, InternalError)
    assert event.error.error_id in caplog.text


def test_nothing_may_follow_the_last_chunk(batcher: CodecBatcher, fake: FakeDecoder) -> None:
    sink = Sink()
    hold(batcher, fake, Sink())
    batcher.submit(chunk(1, last=True), sink)
    batcher.submit(chunk(1, 1), sink)
    fake.gate.set()
    assert all(isinstance(event, StreamFailed) for event in sink.wait(2))


@pytest.mark.parametrize("keeps_states", [True, False])
def test_a_chunk_that_breaks_the_decoder_ends_its_stream_and_where_states_are_kept_no_other(
    batcher: CodecBatcher, fake: FakeDecoder, caplog: pytest.LogCaptureFixture, *, keeps_states: bool
) -> None:
    fake.keeps_states = keeps_states
    sink, bad, after = Sink(), Sink(), Sink()
    hold(batcher, fake, Sink())
    batcher.submit(chunk(1), sink)
    batcher.submit(chunk(2, code=666), bad)
    batcher.submit(chunk(2, 1), bad)
    fake.gate.set()
    neighbour, failed = sink.wait(1)[0], bad.wait(2)
    assert isinstance(neighbour, DecodedChunk if keeps_states else StreamFailed)
    errors = {event.error.error_id for event in failed if isinstance(event, StreamFailed)}  # type: ignore[attr-defined]
    assert len(failed) == 2
    assert len(errors) == 1
    assert next(iter(errors)) in caplog.text
    assert "out of memory" in caplog.text
    batcher.submit(chunk(3, last=True), after)
    assert isinstance(after.wait(1)[0], DecodedChunk)
    assert batcher.stats().failed_chunks == (2 if keeps_states else 3)


@pytest.mark.parametrize("bad", [np.full((2, 1), -1, np.int32), np.full((2, 1), np.nan, np.float32)])
def test_a_wrong_chunk_does_not_disturb_its_batch(batcher: CodecBatcher, fake: FakeDecoder, bad: np.ndarray) -> None:
    sink, other = Sink(), Sink()
    hold(batcher, fake, Sink())
    batcher.submit(CodesChunk(1, 0, bad, False), sink)
    batcher.submit(chunk(2), other)
    fake.gate.set()
    event = sink.wait(1)[0]
    assert isinstance(event, StreamFailed)
    assert event.error.code is ErrorCode.INVALID_ARG
    assert isinstance(other.wait(1)[0], DecodedChunk)
    assert fake.batches == [[99], [2]]


def test_a_row_that_is_no_sound_fails_alone(
    batcher: CodecBatcher, fake: FakeDecoder, caplog: pytest.LogCaptureFixture
) -> None:
    unsound, sound = Sink(), Sink()
    hold(batcher, fake, Sink())
    batcher.submit(chunk(2, code=665), unsound)
    batcher.submit(chunk(3, code=7, last=True), sound)
    fake.gate.set()
    (failed,), (decoded,) = unsound.wait(1), sound.wait(1)
    assert isinstance(failed, StreamFailed)
    assert isinstance(failed.error, InternalError)
    assert "stream 2: samples are not finite" in caplog.text
    assert isinstance(decoded, DecodedChunk)
    assert decoded.samples.tolist() == [7] * SAMPLES_PER_FRAME
    assert fake.batches[-1] == [665, 7]


def test_a_chunk_that_breaks_the_check_fails_alone(batcher: CodecBatcher, fake: FakeDecoder) -> None:
    bad, good = Sink(), Sink()
    hold(batcher, fake, Sink())
    batcher.submit(chunk(1, code=667), bad)
    batcher.submit(chunk(2), good)
    fake.gate.set()
    assert isinstance(bad.wait(1)[0], StreamFailed)
    assert isinstance(good.wait(1)[0], DecodedChunk)


def test_the_thread_outlives_a_fault_of_its_own(fake: FakeDecoder) -> None:
    """Whoever waited is told, once, and the next one is served."""
    batcher = CodecBatcher(fake, BatchPolicy(wait_s=0))
    first, after = Sink(), Sink()
    fake.gate.set()
    with patch.object(batcher._queue, "give_back", side_effect=RuntimeError("secret")):
        batcher.submit(chunk(1), first)
        batcher.submit(chunk(1, 1), first)
        batcher.start()
        events = first.wait(2)
    assert all(isinstance(event, StreamFailed) and isinstance(event.error, InternalError) for event in events)
    batcher.submit(chunk(2, last=True), after)
    assert isinstance(after.wait(1)[0], DecodedChunk)
    batcher.close()
    assert len(first.events) == 2
    assert batcher.stats().streams == 0


def test_a_failing_sink_does_not_stop_the_others(
    batcher: CodecBatcher, fake: FakeDecoder, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ValueError("the sink broke")

    sink = Sink()
    hold(batcher, fake, Sink())
    batcher.submit(chunk(1), fail)
    batcher.submit(chunk(2), sink)
    fake.gate.set()
    assert isinstance(sink.wait(1)[0], DecodedChunk)
    assert "the sink broke" in caplog.text


def test_a_lost_device_ends_every_stream_and_calls_whoever_can_end_the_process(fake: FakeDecoder) -> None:
    left = threading.Event()
    care = DeviceCare(is_lost=lambda: True, on_lost=left.set)
    batcher = CodecBatcher(fake, BatchPolicy(max_batch=1), care=care)
    sink = Sink()
    batcher.submit(chunk(1, code=666), sink)
    batcher.submit(chunk(2, code=5), sink)
    fake.gate.set()
    batcher.start()
    sink.wait(2)
    assert left.wait(WAIT_S)
    assert all(isinstance(event, StreamFailed) and isinstance(event.error, InternalError) for event in sink.events)
    batcher.close()


def test_the_decoding_thread_warms_the_decoder_up_and_a_fault_of_that_stops_the_start(fake: FakeDecoder) -> None:
    names: list[str] = []
    batcher = CodecBatcher(fake, care=DeviceCare(lambda: names.append(threading.current_thread().name)))
    batcher.start()
    assert names == ["codec-batcher"]
    batcher.close()

    def fail() -> None:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        CodecBatcher(fake, care=DeviceCare(fail)).start()
