"""A simulated server: Triton's batcher, the engine of the language model, the codec, and the device they share.

It goes through the same rounds as ``s1_tts.lm.engine`` and ``s1_tts.codec.batcher``, with simulated time in place of
computing. Who gets a slot, how large a chunk is and which chunks are decoded together is asked of the server's own
classes (``Scheduler``, ``ChunkSchedule``, ``ChunkQueue``), so the simulation changes with them.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from perf.capacity_costs import Costs
from perf.capacity_workload import SimulatedRequest
from s1_tts.codec.batcher import DEFAULT_MAX_BATCH
from s1_tts.codec.chunk_queue import ChunkQueue
from s1_tts.errors import UnavailableError
from s1_tts.lm.chunking import ChunkRules, ChunkSchedule
from s1_tts.lm.scheduler import Scheduler
from s1_tts.lm.sequence import Sequence, Status
from s1_tts.protocol import FRAMES_PER_SECOND, MAX_BATCH_SIZE, ServiceClass
from s1_tts.request import SpeechRequest
from s1_tts.stream import CodesChunk

Process = Generator[simpy.Event, Any, None]

SHORTEST_WAIT_S = 1e-6
"""Waits are rounded up to this, so that the clock always moves."""

_NO_COLUMNS = np.empty((1, 0), dtype=np.int64)
_CALLERS = {service: SpeechRequest(text="", service=service) for service in ServiceClass}


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
    """

    slots: int = 8
    queue: int = 64
    call_slots: int = 1
    gather_s: float = 0.1
    codec_wait_s: float = 0.002
    max_streams: int = 256


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


@dataclass(eq=False)
class _Stream:
    """A stream in the simulated engine; ``joined_step`` is the number of steps before its first frame."""

    hearing: Hearing
    sequence: Sequence
    left_tokens: int
    joined_step: int = 0
    sent_frames: int = 0
    offset: int = 0  # its position less the number of steps so far

    @property
    def end_step(self) -> int:
        request = self.hearing.request
        return self.joined_step + request.frames + request.ends_itself

    @property
    def next_step(self) -> int:
        """Step after which it sends something."""
        assert self.sequence.schedule is not None  # given at its admission
        return min(self.end_step, self.joined_step + self.sent_frames + self.sequence.schedule.frames)


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


@dataclass
class StepCount:
    """Decode steps so far, and the rows in all of them."""

    steps: int = 0
    rows: int = 0


class SimulatedServer:
    """One server with one device.

    Args:
        env: The simulation.
        costs: What its work takes.
        shape: Its settings.
    """

    def __init__(self, env: simpy.Environment, costs: Costs, shape: ServerShape) -> None:
        self._env = env
        self._costs = costs
        self._shape = shape
        self.device = Device(env, {"lm": costs.lm_rate, "codec": costs.codec_rate})
        self.count = StepCount()
        self.num_refused = 0
        self._codec = _Codec(env, costs, shape, self.device)
        self._scheduler = Scheduler(shape.slots, shape.queue, shape.call_slots)
        self._rules = ChunkRules()
        self._ids = itertools.count()
        self._gathered: deque[tuple[float, Hearing]] = deque()
        self._streams: dict[Sequence, _Stream] = {}
        self._prefilling: list[_Stream] = []
        self._decoding: set[_Stream] = set()
        self._agenda: list[tuple[int, int, _Stream]] = []
        self._offset_sum = 0
        self._largest_offset = 0
        self._arrived = env.event()
        env.process(self._run())

    def ask(self, request: SimulatedRequest) -> Hearing:
        """Send a request now."""
        hearing = Hearing(request, self._env.now, self._env.event())
        self._env.process(self._come(hearing))
        return hearing

    # --- Triton: the way in, and its batcher ---

    def _come(self, hearing: Hearing) -> Process:
        yield self._env.timeout(self._costs.hop_s)
        self._gathered.append((self._env.now, hearing))
        if len(self._gathered) >= MAX_BATCH_SIZE:
            self._take_in(MAX_BATCH_SIZE)
            return
        yield self._env.timeout(self._shape.gather_s)
        if any(waiting is hearing for _, waiting in self._gathered):
            self._take_in(len(self._gathered))

    def _take_in(self, count: int) -> None:
        for _ in range(count):
            _, hearing = self._gathered.popleft()
            sequence = Sequence(
                next(self._ids), _CALLERS[hearing.request.service], lambda _: None, deque(), _NO_COLUMNS, self._env.now
            )
            try:
                self._scheduler.add(sequence)
            except UnavailableError:
                hearing.refuse()
                self.num_refused += 1
                continue
            self._streams[sequence] = _Stream(hearing, sequence, hearing.request.prompt_tokens)
        if not self._arrived.triggered:
            self._arrived.succeed()

    # --- the engine's rounds ---

    def _run(self) -> Process:
        while True:
            if not self._scheduler.has_work:
                self._arrived = self._env.event()
                yield self._arrived
            for sequence in self._scheduler.admit():
                sequence.admitted_s = self._env.now
                sequence.schedule = ChunkSchedule(self._rules, 0, self._env.now)
                self._prefilling.append(self._streams[sequence])
            if self._prefilling:
                yield from self._prefill()
            if self._decoding:
                yield from self._decode()

    def _prefill(self) -> Process:
        stream = min(self._prefilling, key=_prefill_order)
        count = min(self._costs.prefill_tokens, stream.left_tokens - 1)
        if count > 0:
            yield from self.device.compute("lm", self._costs.prefill_s(count))
            stream.left_tokens -= count
        if stream.left_tokens == 1:
            self._prefilling.remove(stream)
            self._join(stream)

    def _join(self, stream: _Stream) -> None:
        request = stream.hearing.request
        stream.sequence.status = Status.DECODING
        stream.joined_step = self.count.steps
        stream.offset = request.voice_tokens + request.prompt_tokens - 1 - self.count.steps
        self._decoding.add(stream)
        self._offset_sum += stream.offset
        self._largest_offset = max(stream.offset, self._largest_offset) if len(self._decoding) > 1 else stream.offset
        self._plan(stream)

    def _leave(self, stream: _Stream) -> None:
        self._decoding.remove(stream)
        self._offset_sum -= stream.offset
        self._largest_offset = max((other.offset for other in self._decoding), default=0)
        self._scheduler.remove(stream.sequence)
        del self._streams[stream.sequence]

    def _plan(self, stream: _Stream) -> None:
        heapq.heappush(self._agenda, (stream.next_step, stream.sequence.stream_id, stream))

    def _decode(self) -> Process:
        steps, rows = self.count.steps, len(self._decoding)
        step_s = self._costs.step.seconds(rows, steps + self._offset_sum / rows, steps + self._largest_offset)
        yield from self.device.compute("lm", step_s + self._costs.round_s)
        self.count.steps += 1
        self.count.rows += rows
        while self._agenda and self._agenda[0][0] == self.count.steps:
            self._send(heapq.heappop(self._agenda)[2])

    def _send(self, stream: _Stream) -> None:
        assert stream.sequence.schedule is not None  # given at its admission
        is_last = self.count.steps == stream.end_step
        num_frames = min(self.count.steps - stream.joined_step, stream.hearing.request.frames) - stream.sent_frames
        stream.sent_frames += num_frames
        stream.sequence.schedule.sent(num_frames, self._env.now)
        self._codec.take(stream.hearing, stream.sequence, num_frames, is_last=is_last)
        stream.sequence.num_chunks += 1
        if is_last:
            self._leave(stream)
        else:
            self._plan(stream)


class _Codec:
    """The codec's batcher and its thread."""

    def __init__(self, env: simpy.Environment, costs: Costs, shape: ServerShape, device: Device) -> None:
        self._env = env
        self._costs = costs
        self._device = device
        self._queue = ChunkQueue(
            max_batch=DEFAULT_MAX_BATCH,
            max_batch_frames=costs.codec_batch_frames,
            wait_s=shape.codec_wait_s,
            max_streams=shape.max_streams,
            idle_s=float("inf"),
        )
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
            frames = [waiting.chunk.codes.shape[1] for _, waiting in batch]
            yield from self._device.compute("codec", self._costs.codec.seconds(frames))
            for stream, waiting in batch:
                self._queue.give_back(stream, self._env.now)
                self._env.process(self._deliver(waiting.chunk))

    def _deliver(self, chunk: CodesChunk) -> Process:
        yield self._env.timeout(self._costs.hop_s)
        hearing = self._hearings[chunk.stream_id]
        hearing.hear(chunk.codes.shape[1], self._env.now, is_last=chunk.is_last)
        if chunk.is_last:
            del self._hearings[chunk.stream_id]


def _prefill_order(stream: _Stream) -> tuple[bool, float]:
    return stream.hearing.request.service is not ServiceClass.CALL, stream.sequence.admitted_s
