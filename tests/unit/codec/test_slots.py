"""A stream's slot in the memory that graphs compute in is free again, whatever way the stream ends."""

import gc
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from s1_protocol.errors import ErrorCode
from s1_tts.codec.batch_policy import BatchPolicy
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.codec.state import StreamState
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed
from tests.unit.codec.conftest import CPU
from tests.unit.codec.fake_decoder import WAIT_S, Sink

NUM_SLOTS = 6


class HeldDecoder(StreamingDecoder):
    """Decodes when it may, and fails or gives no numbers if it is told to."""

    may_go = threading.Event()
    entered = threading.Semaphore(0)
    is_failing = False
    is_unsound = False

    def decode(self, states: Sequence[StreamState], codes: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        self.entered.release()
        assert self.may_go.wait(WAIT_S)
        samples = super().decode(states, codes)
        if self.is_failing:
            raise RuntimeError("out of memory")
        return [row * torch.nan for row in samples] if self.is_unsound else samples

    @property
    def num_free(self) -> int:
        assert self._fixed is not None
        return len(self._fixed._free)


@pytest.fixture
def held(tiny_folder: Path) -> Iterator[HeldDecoder]:
    """Python collects no cycles meanwhile: a slot that only a collection frees is missing for as long as none comes."""
    decoder = HeldDecoder.load(tiny_folder, CPU, torch.float32)
    assert isinstance(decoder, HeldDecoder)
    decoder.may_go, decoder.entered = threading.Event(), threading.Semaphore(0)
    decoder.use_fixed_shapes(4, NUM_SLOTS)
    log = logging.getLogger("s1_tts.codec.batcher")
    log.disabled = True  # pytest keeps what was logged, with the frames of its errors
    gc.disable()
    yield decoder
    gc.enable()
    log.disabled = False


@pytest.fixture
def batcher(held: HeldDecoder) -> Iterator[CodecBatcher]:
    batcher = CodecBatcher(held, BatchPolicy(max_batch=4, wait_s=0.02), max_streams=NUM_SLOTS, idle_s=60)
    batcher.start()
    yield batcher
    held.may_go.set()
    batcher.close()


def send(batcher: CodecBatcher, stream_id: int, index: int = 0, *, last: bool = False) -> Sink:
    sink = Sink()
    batcher.submit(CodesChunk(stream_id, index, np.ones((10, 1), np.int32), last), sink)
    return sink


def speak(batcher: CodecBatcher, held: HeldDecoder, *streams: int) -> None:
    """Begin streams, and wait until their first chunks are heard: each has a slot."""
    held.may_go.set()
    for sink in [send(batcher, stream) for stream in streams]:
        assert isinstance(sink.wait(1)[0], DecodedChunk)
    held.may_go.clear()
    while held.entered.acquire(blocking=False):
        pass
    assert held.num_free == NUM_SLOTS - len(streams)


def wait_free(held: HeldDecoder, count: int) -> None:
    ends_s = time.monotonic() + WAIT_S
    while held.num_free != count and time.monotonic() < ends_s:
        time.sleep(0.005)
    assert held.num_free == count


def test_at_its_end(batcher: CodecBatcher, held: HeldDecoder) -> None:
    speak(batcher, held, 1, 2)
    held.may_go.set()
    assert isinstance(send(batcher, 1, 1, last=True).wait(1)[0], DecodedChunk)
    wait_free(held, NUM_SLOTS - 1)


def test_when_its_caller_leaves_between_two_chunks(batcher: CodecBatcher, held: HeldDecoder) -> None:
    speak(batcher, held, 1, 2)
    batcher.abort(1)
    wait_free(held, NUM_SLOTS - 1)


@pytest.mark.parametrize("has_begun", [True, False])
def test_when_its_caller_leaves_while_it_is_decoded(batcher: CodecBatcher, held: HeldDecoder, has_begun: bool) -> None:
    """But not before: the decoder writes there."""
    speak(batcher, held, *((1, 2) if has_begun else (2,)))
    sink = send(batcher, 1, int(has_begun))
    assert held.entered.acquire(timeout=WAIT_S)
    batcher.abort(1)
    assert held.num_free == NUM_SLOTS - 2
    held.may_go.set()
    sink.wait(1)
    wait_free(held, NUM_SLOTS - 1)


@pytest.mark.parametrize("fault", ["is_failing", "is_unsound"])
def test_when_it_or_a_neighbour_cannot_be_decoded(batcher: CodecBatcher, held: HeldDecoder, fault: str) -> None:
    """Callers keep the error; the frames where it was raised do not keep the slots. Who had no part in it goes on."""
    speak(batcher, held, 1, 2, 3)
    setattr(held, fault, True)
    sinks = [send(batcher, 1, 1), send(batcher, 2, 1), send(batcher, 4)]
    held.may_go.set()
    for sink in sinks:
        event = sink.wait(1)[0]
        assert isinstance(event, StreamFailed)
        assert event.error.code is ErrorCode.INTERNAL
    wait_free(held, NUM_SLOTS - 1)
    setattr(held, fault, False)
    assert isinstance(send(batcher, 3, 1).wait(1)[0], DecodedChunk)


def test_when_the_server_is_drained(batcher: CodecBatcher, held: HeldDecoder) -> None:
    speak(batcher, held, 1, 2)
    send(batcher, 1, 1)
    held.may_go.set()
    batcher.close()
    wait_free(held, NUM_SLOTS)


def test_as_many_streams_as_before_find_one_after_all_of_that(batcher: CodecBatcher, held: HeldDecoder) -> None:
    speak(batcher, held, *range(NUM_SLOTS))
    for stream in range(NUM_SLOTS):
        batcher.abort(stream)
    wait_free(held, NUM_SLOTS)
    speak(batcher, held, *range(10, 10 + NUM_SLOTS))
