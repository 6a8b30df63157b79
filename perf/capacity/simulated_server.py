"""A simulated server: Triton's batcher, the engine of the language model, the codec, and the device they share.

It goes through the same rounds as ``s1_tts.lm.engine`` and ``s1_tts.codec.batcher``, with simulated time in place of
computing. Who gets a slot, how large a chunk is and which chunks are decoded together is asked of the server's own
classes (``Scheduler``, ``ChunkSchedule``, ``ChunkQueue``), so the simulation changes with them.
"""

import heapq
import itertools
from collections import deque
from dataclasses import dataclass

import numpy as np
import simpy
from perf.capacity.costs import Costs
from perf.capacity.parts import Device, Hearing, Process, ServerShape, SimulatedCodec
from perf.capacity.workload import SimulatedRequest

from s1_protocol.errors import UnavailableError
from s1_protocol.names import ServiceClass
from s1_protocol.tensors import MAX_BATCH_SIZE
from s1_tts.lm.chunking import ChunkSchedule
from s1_tts.lm.scheduler import Scheduler
from s1_tts.lm.sequence import Sequence, Status
from s1_tts.speech_task import SpeechTask

_NO_COLUMNS = np.empty((1, 0), dtype=np.int64)
_CALLERS = {service: SpeechTask(text="", service=service) for service in ServiceClass}


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
        self._codec = SimulatedCodec(env, costs, shape, self.device)
        self._scheduler = Scheduler(shape.slots, shape.queue, shape.call_slots)
        self._rules = shape.rules
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
                sequence.schedule = ChunkSchedule(self._rules, 0)
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
        step = min(stream.end_step, self.count.steps + self._rules.first_frames)
        heapq.heappush(self._agenda, (step, stream.sequence.stream_id, stream))

    def _decode(self) -> Process:
        steps, rows = self.count.steps, len(self._decoding)
        step_s = self._costs.step.seconds(rows, steps + self._offset_sum / rows, steps + self._largest_offset)
        yield from self.device.compute("lm", step_s + self._costs.round_s)
        self.count.steps += 1
        self.count.rows += rows
        while self._agenda and self._agenda[0][0] == self.count.steps:
            self._look(heapq.heappop(self._agenda)[2])

    def _look(self, stream: _Stream) -> None:
        """Send what there is if it is due; chunks are multiples of the first one, or the last."""
        schedule = stream.sequence.schedule
        assert schedule is not None  # given at its admission
        is_last = self.count.steps == stream.end_step
        num_frames = min(self.count.steps - stream.joined_step, stream.hearing.request.frames) - stream.sent_frames
        if is_last or schedule.is_due(num_frames, self._env.now):
            stream.sent_frames += num_frames
            schedule.sent(num_frames, self._env.now)
            self._codec.take(stream.hearing, stream.sequence, num_frames, is_last=is_last)
            stream.sequence.num_chunks += 1
        if is_last:
            self._leave(stream)
        else:
            self._plan(stream)


def _prefill_order(stream: _Stream) -> tuple[bool, float]:
    return stream.hearing.request.service is not ServiceClass.CALL, stream.sequence.admitted_s
