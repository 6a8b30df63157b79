"""Parts of a simulated server: its settings, what a caller hears, the device, and the codec with its batcher."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy
from perf.capacity.costs import Costs
from perf.capacity.workload import SimulatedRequest

from s1_protocol.errors import UnavailableError
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.codec.batch_policy import BatchPolicy
from s1_tts.codec.chunk_queue import ChunkQueue
from s1_tts.lm.chunking import ChunkRules
from s1_tts.lm.sequence import Sequence
from s1_tts.stream_events import CodesChunk

Process = Generator[simpy.Event, Any, None]

SHORTEST_WAIT_S = 1e-6
"""Waits are rounded up to this, so that the clock always moves."""


@dataclass(frozen=True)
class ServerShape:
    """Settings of the server that decide what it can carry; the defaults are its own.

    Args:
        slots: Sequences decoded at once.
        queue: Sequences of each class that wait.
        call_slots: Slots that only calls may take.
        gather_s: Longest time that Triton gathers arrivals.
        codec_wait_s: Longest time that a chunk waits for others.
        max_streams: Streams that the codec takes.
        rules: How the sizes of chunks are chosen.
    """

    slots: int = 8
    queue: int = 64
    call_slots: int = 1
    gather_s: float = 0.1
    codec_wait_s: float = 0.002
    max_streams: int = 256
    rules: ChunkRules = field(default_factory=ChunkRules)


@dataclass(eq=False)
class Hearing:
    """What a caller of the simulated server hears, in seconds of simulated time.

    Args:
        request: What was asked for.
        arrived_s: When it was sent.
        done: Succeeds when the stream has ended.
        first_audio_s: When the first sound came; none before.
        completed_s: When the last chunk came; none before, and when it was refused.
        is_refused: The server was full.
        silence_s: Time in which a listener at 1x had nothing to play.
    """

    request: SimulatedRequest
    arrived_s: float
    done: simpy.Event
    first_audio_s: float | None = None
    completed_s: float | None = None
    is_refused: bool = False
    silence_s: float = 0.0
    _played_until_s: float = 0.0

    def hear(self, num_frames: int, now_s: float, *, is_last: bool) -> None:
        """Note that a chunk came."""
        if num_frames:
            if self.first_audio_s is None:
                self.first_audio_s = self._played_until_s = now_s
            self.silence_s += max(0.0, now_s - self._played_until_s)
            self._played_until_s = max(self._played_until_s, now_s) + num_frames / FRAMES_PER_SECOND
        if is_last:
            self.completed_s = now_s
            self.done.succeed()

    def refuse(self) -> None:
        """Note that the server was full."""
        self.is_refused = True
        self.done.succeed()


class Device:
    """What both models compute on: each slows the other down while both compute.

    Args:
        env: The simulation.
        rates: Speed of each model while the other one computes too.
    """

    def __init__(self, env: simpy.Environment, rates: dict[str, float]) -> None:
        self._env = env
        self._rates = rates
        self._busy: set[str] = set()
        self._changed = env.event()
        self.busy_s = dict.fromkeys(rates, 0.0)

    def compute(self, who: str, seconds: float) -> Process:
        """Compute what would take so many seconds alone."""
        started_s = self._env.now
        self._busy.add(who)
        self._tell()
        left_s = seconds
        while left_s > SHORTEST_WAIT_S:
            rate = self._rates[who] if len(self._busy) > 1 else 1.0
            began_s = self._env.now
            yield self._env.timeout(left_s / rate) | self._changed
            left_s -= (self._env.now - began_s) * rate
        self._busy.discard(who)
        self._tell()
        self.busy_s[who] += self._env.now - started_s

    def _tell(self) -> None:
        self._changed.succeed()
        self._changed = self._env.event()


class SimulatedCodec:
    """The codec's batcher and its thread."""

    def __init__(self, env: simpy.Environment, costs: Costs, shape: ServerShape, device: Device) -> None:
        self._env = env
        self._costs = costs
        self._device = device
        policy = BatchPolicy(
            max_batch_frames=costs.codec_batch_frames,
            piece_frames=costs.codec_piece_frames,
            wait_s=shape.codec_wait_s,
        )
        self._queue = ChunkQueue(policy, max_streams=shape.max_streams, idle_s=float("inf"))
        self._hearings: dict[int, Hearing] = {}
        self._arrived = env.event()
        env.process(self._run())

    def take(self, hearing: Hearing, sequence: Sequence, num_frames: int, *, is_last: bool) -> None:
        """Take a chunk of codes in; it comes after its way through Triton."""
        codes = np.empty((0, num_frames), dtype=np.int32)
        chunk = CodesChunk(sequence.stream_id, sequence.num_chunks, codes, is_last, hearing.request.service)
        self._hearings[sequence.stream_id] = hearing
        self._env.process(self._come(chunk))

    def _come(self, chunk: CodesChunk) -> Process:
        yield self._env.timeout(self._costs.hop_s)
        refused = self._queue.add(chunk, lambda _: None, self._env.now)
        if refused and isinstance(refused[0].error, UnavailableError):
            self._hearings[chunk.stream_id].refuse()
        if not self._arrived.triggered:
            self._arrived.succeed()

    def _run(self) -> Process:
        while True:
            wait_s = self._queue.seconds_to_batch(self._env.now)
            if wait_s is None or wait_s > SHORTEST_WAIT_S:
                self._arrived = self._env.event()
                yield self._arrived if wait_s is None else self._arrived | self._env.timeout(wait_s)
                continue
            batch = self._queue.take()
            frames = [piece.num_frames for piece in batch]
            yield from self._device.compute("codec", self._costs.codec.seconds(frames))
            for piece in batch:
                self._queue.give_back(piece, self._env.now)
                if piece.is_final:
                    self._env.process(self._deliver(piece.waiting.chunk))

    def _deliver(self, chunk: CodesChunk) -> Process:
        yield self._env.timeout(self._costs.hop_s)
        hearing = self._hearings[chunk.stream_id]
        hearing.hear(chunk.codes.shape[1], self._env.now, is_last=chunk.is_last)
        if chunk.is_last:
            del self._hearings[chunk.stream_id]
