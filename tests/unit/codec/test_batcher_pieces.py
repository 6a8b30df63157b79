"""A large chunk is decoded in pieces, and whatever happens between two of them it is answered once."""

import threading

import numpy as np
import pytest
import torch

from s1_protocol.errors import CancelledError, InternalError, UnavailableError
from s1_tts.codec.batch_policy import BatchPolicy
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.codec.pcm import to_pcm16
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed
from tests.unit.codec.conftest import random_codes
from tests.unit.codec.fake_decoder import SAMPLES_PER_FRAME, FakeDecoder, Sink, chunk, hold


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
