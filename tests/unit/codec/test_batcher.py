import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from unittest.mock import patch

import numpy as np
import pytest
import torch

from s1_protocol.errors import CancelledError, ErrorCode, InternalError, InvalidArgumentError, UnavailableError
from s1_protocol.names import ServiceClass
from s1_tts.codec.batch_policy import BatchPolicy
from s1_tts.codec.batcher import CodecBatcher, DeviceCare
from s1_tts.codec.pcm import to_pcm16
from s1_tts.codec.state import StreamState
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed
from tests.unit.codec.conftest import random_codes

SAMPLES_PER_FRAME = 4
WAIT_S = 20.0


@dataclass
class FakeDecoder:
    """Its samples are the first codebook's codes over 32767; it can be held up.

    It fails on 666, its check on 667, and gives no numbers for 665.
    """

    state_bytes: int = 100
    keeps_states: bool = True
    batches: list[list[int]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def new_state(self) -> StreamState:
        return StreamState(torch.zeros(1))

    def check(self, codes: torch.Tensor) -> None:
        if codes.numel() and codes.min() < 0:
            raise InvalidArgumentError("codes", "holds -1", "0 to 4095")
        if (codes == 667).any():
            raise RuntimeError("secret")

    def decode(self, states: Sequence[StreamState], codes: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        self.batches.append([int(c[0, 0]) if c.numel() else -1 for c in codes])
        self.entered.release()
        assert self.gate.wait(WAIT_S)
        if any((c == 666).any() for c in codes):
            raise RuntimeError("out of memory")
        for state, c in zip(states, codes, strict=True):
            state.position += c.shape[1]
        return [torch.where(c[0] == 665, torch.nan, c[0] / 32767).repeat_interleave(SAMPLES_PER_FRAME) for c in codes]

    def wait_entered(self) -> None:
        assert self.entered.acquire(timeout=WAIT_S)


class Sink:
    """Collects what it is given; ``wait(n)`` until it has ``n`` events."""

    def __init__(self) -> None:
        self.events: list[DecodedChunk | StreamFailed] = []
        self.threads: set[str] = set()
        self._came = threading.Condition()

    def __call__(self, event: DecodedChunk | StreamFailed) -> None:
        with self._came:
            self.events.append(event)
            self.threads.add(threading.current_thread().name)
            self._came.notify_all()

    def wait(self, count: int) -> list[DecodedChunk | StreamFailed]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.events) >= count, WAIT_S), self.events
            return list(self.events)


def chunk(
    stream_id: int, index: int = 0, *, code: int | None = None, last: bool = False, call: bool = False, frames: int = 1
) -> CodesChunk:
    codes = np.full((2, frames), stream_id if code is None else code, np.int32)
    return CodesChunk(stream_id, index, codes, last, ServiceClass.CALL if call else ServiceClass.NOTE)


@pytest.fixture
def fake() -> FakeDecoder:
    return FakeDecoder()


@pytest.fixture
def batcher(fake: FakeDecoder) -> Iterator[CodecBatcher]:
    batcher = CodecBatcher(fake, BatchPolicy(max_batch=3, wait_s=0), max_streams=10, idle_s=60)
    yield batcher
    fake.gate.set()
    batcher.close()


def hold(batcher: CodecBatcher, fake: FakeDecoder, sink: Sink) -> None:
    """Start the batcher and keep its decoder busy, so that what is submitted next waits together."""
    batcher.start()
    batcher.submit(chunk(99, last=True), sink)
    fake.wait_entered()


def test_waiting_chunks_are_decoded_together_calls_first(batcher: CodecBatcher, fake: FakeDecoder) -> None:
    sink = Sink()
    hold(batcher, fake, sink)
    for note in (1, 2, 3, 4):
        batcher.submit(chunk(note), sink)
    batcher.submit(chunk(5, call=True), sink)
    batcher.submit(chunk(5, 1, call=True, code=51), sink)
    batcher.submit(chunk(6, call=True), sink)
    batcher.submit(chunk(1, 1, code=11), sink)
    fake.gate.set()
    sink.wait(9)
    assert fake.batches == [[99], [5, 6], [51, 1, 2], [3, 4, 11]]
    assert sink.threads == {"codec-batcher"}


def test_a_batch_has_no_more_frames_than_allowed(fake: FakeDecoder) -> None:
    batcher = CodecBatcher(fake, BatchPolicy(max_batch_frames=6, wait_s=0))
    sink = Sink()
    hold(batcher, fake, sink)
    for stream_id, frames in ((1, 3), (2, 3), (3, 16), (4, 2)):
        batcher.submit(chunk(stream_id, frames=frames), sink)
    fake.gate.set()
    sink.wait(5)
    assert fake.batches == [[99], [1, 2], [3], [4]]
    batcher.close()


def test_a_large_chunk_is_decoded_in_pieces_and_answered_once(fake: FakeDecoder) -> None:
    batcher = CodecBatcher(fake, BatchPolicy(max_batch_frames=8, piece_frames=4, wait_s=0))
    sink = Sink()
    hold(batcher, fake, Sink())
    codes = np.arange(100, 110, dtype=np.int32)[None].repeat(2, axis=0)
    batcher.submit(CodesChunk(1, 0, codes, False), sink)
    batcher.submit(chunk(2, frames=4), sink)
    batcher.submit(chunk(1, 1, last=True, frames=1), sink)
    fake.gate.set()
    events = sink.wait(3)
    assert fake.batches == [[99], [100, 2], [104], [108], [1]]
    assert [(event.stream_id, event.is_last) for event in events if isinstance(event, DecodedChunk)] == [
        (2, False),
        (1, False),
        (1, True),
    ]
    assert isinstance(events[1], DecodedChunk)
    assert events[1].samples.tolist() == np.repeat(np.arange(100, 110), SAMPLES_PER_FRAME).tolist()
    stats = batcher.stats()
    assert (stats.decoded_chunks, stats.decoded_frames, stats.waiting_chunks, stats.streams) == (4, 16, 0, 1)
    batcher.close()


def begun(fake: FakeDecoder, sink: Sink) -> CodecBatcher:
    """A batcher that is decoding the first piece of a chunk of stream 1, another chunk of which waits."""
    batcher = CodecBatcher(fake, BatchPolicy(piece_frames=4, wait_s=0))
    batcher.start()
    batcher.submit(chunk(1, frames=12), sink)
    fake.wait_entered()
    batcher.submit(chunk(1, 1, code=11), sink)
    return batcher


def test_a_stream_dropped_between_two_pieces_is_answered_once_and_forgotten(fake: FakeDecoder) -> None:
    sink, after = Sink(), Sink()
    batcher = begun(fake, sink)
    batcher.abort(1)
    batcher.submit(chunk(2), after)
    fake.gate.set()
    after.wait(1)
    assert fake.batches == [[1], [2]]
    assert len(sink.events) == 2
    assert all(isinstance(event, StreamFailed) and isinstance(event.error, CancelledError) for event in sink.events)
    batcher.abort(2)
    stats = batcher.stats()
    assert (stats.streams, stats.state_bytes, stats.waiting_chunks, stats.failed_chunks) == (0, 0, 0, 2)
    batcher.close()


def test_closing_between_two_pieces_answers_once(fake: FakeDecoder) -> None:
    sink = Sink()
    batcher = begun(fake, sink)
    threading.Timer(0.05, fake.gate.set).start()
    batcher.close()
    assert len(sink.events) == 2
    assert all(isinstance(event, StreamFailed) and isinstance(event.error, UnavailableError) for event in sink.events)
    assert batcher.stats().streams == 0


def test_a_failure_in_a_later_piece_fails_the_chunk_once(fake: FakeDecoder) -> None:
    sink = Sink()
    batcher = CodecBatcher(fake, BatchPolicy(piece_frames=4, wait_s=0))
    codes = np.ones((2, 12), np.int32)
    codes[:, 5] = 666
    fake.gate.set()
    batcher.submit(CodesChunk(1, 0, codes, False), sink)
    batcher.submit(chunk(1, 1, code=11), sink)
    batcher.start()
    events = sink.wait(2)
    assert all(isinstance(event, StreamFailed) and isinstance(event.error, InternalError) for event in events)
    assert len(fake.batches) == 2
    assert (batcher.stats().streams, batcher.stats().decoded_chunks) == (0, 0)
    batcher.close()
    assert len(sink.events) == 2


def test_a_chunk_that_is_wrong_near_its_end_is_refused_before_its_first_piece(fake: FakeDecoder) -> None:
    sink = Sink()
    batcher = CodecBatcher(fake, BatchPolicy(piece_frames=4, wait_s=0))
    codes = np.ones((2, 12), np.int32)
    codes[:, 11] = -1
    fake.gate.set()
    batcher.submit(CodesChunk(1, 0, codes, False), sink)
    batcher.start()
    assert isinstance(sink.wait(1)[0], StreamFailed)
    assert fake.batches == []
    batcher.close()


def test_order_within_a_stream_is_kept(batcher: CodecBatcher, fake: FakeDecoder) -> None:
    sinks = [Sink() for _ in range(5)]
    fake.gate.set()
    batcher.start()
    for index in range(20):
        for stream_id, sink in enumerate(sinks):
            batcher.submit(chunk(stream_id, index, code=index, last=index == 19), sink)
    for stream_id, sink in enumerate(sinks):
        events = sink.wait(20)
        assert all(isinstance(event, DecodedChunk) and event.stream_id == stream_id for event in events)
        assert [event.index for event in events] == list(range(20))
        assert [event.is_last for event in events] == [False] * 19 + [True]
        assert [event.samples.tolist() for event in events] == [[index] * SAMPLES_PER_FRAME for index in range(20)]
    stats = batcher.stats()
    assert (stats.streams, stats.state_bytes, stats.waiting_chunks) == (0, 0, 0)
    assert (stats.decoded_chunks, stats.decoded_frames, stats.failed_chunks) == (100, 100, 0)
    assert stats.decoded_batches == len(fake.batches)
    assert stats.decoding_s > 0


def test_chunks_wait_for_company_no_longer_than_the_setting(fake: FakeDecoder) -> None:
    fake.gate.set()
    batcher = CodecBatcher(fake, BatchPolicy(max_batch=3, wait_s=60))
    sink = Sink()
    batcher.start()
    batcher.submit(chunk(1), sink)  # no other stream could join it
    sink.wait(1)
    batcher.submit(chunk(2), sink)  # stream 1 could
    batcher.submit(chunk(1, 1, code=11), sink)
    sink.wait(3)
    assert fake.batches == [[1], [2, 11]]
    batcher.close()
    patient = CodecBatcher(fake, BatchPolicy(max_batch=3, wait_s=0.001))
    patient.start()
    patient.submit(chunk(1), sink)
    sink.wait(4)
    patient.submit(chunk(2), sink)  # stream 1 could join it, but does not come
    sink.wait(5)
    patient.close()


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


def test_more_streams_than_allowed_are_refused(fake: FakeDecoder) -> None:
    batcher = CodecBatcher(fake, BatchPolicy(wait_s=0), max_streams=2)
    fake.gate.set()
    sink = Sink()
    batcher.start()
    batcher.submit(chunk(1), sink)
    batcher.submit(chunk(2), sink)
    sink.wait(2)
    batcher.submit(chunk(3), sink)
    refused = sink.wait(3)[2]
    assert isinstance(refused, StreamFailed)
    assert isinstance(refused.error, UnavailableError)
    batcher.submit(chunk(1, 1, last=True), sink)
    sink.wait(4)
    batcher.submit(chunk(3), sink)
    assert isinstance(sink.wait(5)[4], DecodedChunk)
    stats = batcher.stats()
    assert (stats.refused_streams, stats.streams, stats.state_bytes) == (1, 2, 200)
    batcher.close()


def test_dropping_a_stream_cancels_what_waits_and_frees_its_state(batcher: CodecBatcher, fake: FakeDecoder) -> None:
    sink, other = Sink(), Sink()
    hold(batcher, fake, Sink())
    batcher.submit(chunk(1), sink)
    batcher.submit(chunk(1, 1), sink)
    batcher.submit(chunk(2), other)
    batcher.abort(1)
    batcher.abort(12345)
    fake.gate.set()
    events = sink.wait(2)
    assert all(isinstance(event, StreamFailed) and isinstance(event.error, CancelledError) for event in events)
    assert isinstance(other.wait(1)[0], DecodedChunk)
    batcher.abort(2)
    assert (batcher.stats().streams, batcher.stats().state_bytes) == (0, 0)


def test_a_stream_dropped_while_decoding_is_answered_and_forgotten(batcher: CodecBatcher, fake: FakeDecoder) -> None:
    sink = Sink()
    batcher.start()
    batcher.submit(chunk(1), sink)
    fake.wait_entered()
    batcher.abort(1)
    fake.gate.set()
    assert isinstance(sink.wait(1)[0], DecodedChunk)
    assert batcher.stats().streams == 0


def test_idle_streams_are_dropped(fake: FakeDecoder) -> None:
    batcher = CodecBatcher(fake, BatchPolicy(wait_s=0), idle_s=0.05)
    fake.gate.set()
    sink = Sink()
    batcher.start()
    batcher.submit(chunk(1), sink)
    sink.wait(1)
    waited = threading.Event()
    for _ in range(400):
        if batcher.stats().idle_streams:
            break
        waited.wait(0.05)
    stats = batcher.stats()
    assert (stats.idle_streams, stats.streams, stats.state_bytes) == (1, 0, 0)
    batcher.submit(chunk(1, 1), sink)
    assert isinstance(sink.wait(2)[1], StreamFailed)
    batcher.close()


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


def test_an_empty_last_chunk_ends_the_stream(batcher: CodecBatcher, fake: FakeDecoder) -> None:
    sink = Sink()
    fake.gate.set()
    batcher.start()
    batcher.submit(chunk(1), sink)
    batcher.submit(chunk(1, 1, last=True, frames=0), sink)
    last = sink.wait(2)[1]
    assert isinstance(last, DecodedChunk)
    assert last.is_last
    assert last.samples.shape == (0,)
    assert last.samples.dtype == np.int16
    assert batcher.stats().streams == 0


def test_closing_answers_everything(fake: FakeDecoder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    batcher = CodecBatcher(fake, BatchPolicy(wait_s=0))
    sink = Sink()
    batcher.start()
    batcher.submit(chunk(1), sink)
    fake.wait_entered()
    batcher.submit(chunk(1, 1), sink)
    batcher.submit(chunk(2), sink)
    threading.Timer(0.05, fake.gate.set).start()
    batcher.close()
    batcher.close()
    batcher.submit(chunk(3), sink)
    events = sink.wait(4)
    assert isinstance(events[0], DecodedChunk)
    assert all(isinstance(event, StreamFailed) and isinstance(event.error, UnavailableError) for event in events[1:])
    assert not any(thread.name == "codec-batcher" for thread in threading.enumerate())
    assert batcher.stats().streams == 0


def test_a_batcher_never_started_answers_on_closing(fake: FakeDecoder) -> None:
    batcher = CodecBatcher(fake)
    sink = Sink()
    batcher.submit(chunk(1), sink)
    batcher.close()
    assert isinstance(sink.wait(1)[0], StreamFailed)


@pytest.mark.parametrize("piece_frames", [0, 4])
def test_sound_of_the_real_decoder_is_that_of_the_whole(decoder: StreamingDecoder, piece_frames: int) -> None:
    batcher = CodecBatcher(decoder, BatchPolicy(max_batch=4, piece_frames=piece_frames, wait_s=0.001))
    batcher.start()
    codes = [random_codes(decoder.config, 30, seed=row).numpy().astype(np.int32) for row in range(3)]
    sinks = [Sink() for _ in codes]
    for index, first in enumerate(range(0, 30, 6)):
        for stream_id, (row, sink) in enumerate(zip(codes, sinks, strict=True)):
            batcher.submit(CodesChunk(stream_id, index, row[:, first : first + 6], first == 24), sink)
    for row, sink in zip(codes, sinks, strict=True):
        events = sink.wait(5)
        heard = np.concatenate([event.samples for event in events if isinstance(event, DecodedChunk)])
        whole = decoder.decode([decoder.new_state()], [torch.from_numpy(row)])[0]
        assert np.array_equal(heard, to_pcm16(whole))
    batcher.close()


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
