"""Chunks of many streams are decoded together, in order, and their states are bounded."""

import logging
import threading

import numpy as np
import pytest

from s1_protocol.errors import CancelledError, UnavailableError
from s1_tts.codec.batch_policy import BatchPolicy
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.stream_events import DecodedChunk, StreamFailed
from tests.unit.codec.fake_decoder import SAMPLES_PER_FRAME, FakeDecoder, Sink, chunk, hold


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
