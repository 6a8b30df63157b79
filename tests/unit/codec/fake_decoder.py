"""A decoder whose samples tell which chunk they are of, a sink, and chunks for it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import ServiceClass
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.codec.state import StreamState
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed

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


def hold(batcher: CodecBatcher, fake: FakeDecoder, sink: Sink) -> None:
    """Start the batcher and keep its decoder busy, so that what is submitted next waits together."""
    batcher.start()
    batcher.submit(chunk(99, last=True), sink)
    fake.wait_entered()
