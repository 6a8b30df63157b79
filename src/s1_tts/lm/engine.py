"""The engine of the language model: many streams in flight, each joining and leaving between two decode steps.

One thread steps the model. Callers hand in requests and aborts under a lock and get events through their sinks; the
thread never waits for a sink, a sink never waits. Each round of the thread: take in aborts and admissions, compute at
most one piece of prompt, decode one frame of every running stream, send what is due.
"""

import itertools
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable
from collections.abc import Sequence as AbstractSequence
from dataclasses import replace
from typing import Self

from s1_protocol.errors import CancelledError, InvalidArgumentError, S1Error, UnavailableError, log_internal_error
from s1_protocol.names import ServiceClass
from s1_protocol.text.cleaning import clean_text, is_speakable
from s1_protocol.text.sentences import split_text
from s1_tts.device import limit_threads, resolve_device, resolve_dtype
from s1_tts.lm.chunking import ChunkRules, ChunkSchedule
from s1_tts.lm.loading import load_language_model
from s1_tts.lm.prefill import Prefiller
from s1_tts.lm.prefix_cache import PrefixCache, prefix_key
from s1_tts.lm.prompt import Columns, PromptBuilder
from s1_tts.lm.runner import Frame, ModelRunner, Row
from s1_tts.lm.scheduler import Scheduler
from s1_tts.lm.sequence import Sequence, Status
from s1_tts.lm.stats import Counters, EngineStats, LoadEstimate, TimingLog, Timings
from s1_tts.request import SpeechRequest
from s1_tts.settings import Settings
from s1_tts.stream import CodesSink, StreamFailed
from s1_tts.text.front_end import TextFrontEnd, load_text_front_end, plain_text

log = logging.getLogger(__name__)

PREFILL_TOKENS = {"cpu": 32, "cuda": 256}
"""Prompt tokens that take about as long as a decode step of 8 rows, by device."""

PART_ROOM_FRAMES = 1024
"""Room in the context below which the next part starts with a fresh context; 47 s of speech."""


class LmEngine:
    """Runs streams of codes.

    Args:
        runner: The model.
        builder: Lays out prompts.
        scheduler: Slots and queue.
        prefixes: Prefixes of voices, kept in the runner's pool.
        prefill_tokens: Prompt tokens computed between two decode steps.
        part_characters: Longest part of a text that is generated in one go; longer texts are split at sentences.
        front_end: What the checkpoint wants done to a text before it is tokenized.
    """

    def __init__(
        self,
        runner: ModelRunner,
        builder: PromptBuilder,
        scheduler: Scheduler,
        prefixes: PrefixCache,
        *,
        prefill_tokens: int,
        part_characters: int,
        front_end: TextFrontEnd = plain_text,
    ) -> None:
        self._runner = runner
        self._builder = builder
        self._scheduler = scheduler
        self._prefixes = prefixes
        self._prefiller = Prefiller(runner, prefixes, prefill_tokens)
        self._part_characters = part_characters
        self._front_end = front_end
        self._chunk_rules = ChunkRules()
        self._counters = Counters()
        self._timings = TimingLog()
        self._load = LoadEstimate()
        self._sequences: dict[int, Sequence] = {}
        self._aborts: dict[int, S1Error] = {}
        self._ids = itertools.count(secrets.randbits(32) << 24)  # differ from those of a server before a restart
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="s1-lm-engine", daemon=True)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Load the model that the settings name, and warm it up.

        Raises:
            SettingsError: a setting is wrong, or the KV pool does not fit.
            CheckpointError: the checkpoint is missing or does not fit the model.
        """
        limit_threads(settings.threads)
        device = resolve_device(settings.device)
        folder = settings.require_checkpoint()
        dtype = resolve_dtype(settings.dtype, device)
        loaded = load_language_model(folder, device, dtype, settings.context_tokens, use_native=settings.native_layers)
        runner = ModelRunner(loaded.model, settings.max_slots, loaded.num_positions, use_compile=settings.compile)
        runner.warm_up()
        return cls(
            runner,
            PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks),
            Scheduler(settings.max_slots, settings.max_queue, settings.call_slots),
            PrefixCache(runner.pool, settings.prefix_cache_mb * 2**20),
            prefill_tokens=settings.prefill_tokens or PREFILL_TOKENS[device.type],
            part_characters=settings.part_characters,
            front_end=load_text_front_end(folder),
        )

    def start(self) -> None:
        """Start stepping."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the step at hand; every open stream ends with ``UnavailableError``."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        for sequence in list(self._sequences.values()):
            self._end(sequence, UnavailableError("the server is shutting down"))

    def submit(self, request: SpeechRequest, sink: CodesSink) -> int:
        """Take a request in; never waits.

        Args:
            request: What to say and how.
            sink: Gets chunks and, at the end, one that is last or one failure; called from the engine's thread.

        Returns:
            Id of the stream.

        Raises:
            UnavailableError: the queue is full, the deadline cannot be met, or the engine is closing.
            InvalidArgumentError: the prompt does not fit into the context, or the model cannot read the text.
        """
        request = self._read_transcripts(request)
        parts = self._parts(request.text)
        columns = self._builder.first_part(parts[0], request.prompts)
        self._check_fits(columns)
        prefix = columns[:, : self._builder.prefix_length(request.prompts)]
        key = prefix_key(prefix)
        with self._changed:
            if self._is_closing:
                raise UnavailableError("the server is shutting down")
            sequence = Sequence(next(self._ids), request, sink, parts, columns, time.monotonic(), prefix.shape[1], key)
            try:
                self._check_deadline(sequence)
                self._scheduler.add(sequence)
            except UnavailableError:
                self._counters.refused += 1
                raise
            self._sequences[sequence.stream_id] = sequence
            self._changed.notify()
        return sequence.stream_id

    def abort(self, stream_ids: Iterable[int], error: S1Error | None = None) -> None:
        """End streams whose caller left, or for the given reason; ids that are not open are passed over."""
        with self._changed:
            for stream_id in stream_ids:
                if stream_id in self._sequences:
                    self._aborts[stream_id] = error or CancelledError("the caller went away")
            self._changed.notify()

    def set_chunk_rules(self, rules: ChunkRules) -> None:
        """Choose sizes of chunks for the streams that are admitted from now on."""
        self._chunk_rules = rules

    @property
    def device(self) -> str:
        """Where it computes, as torch names it."""
        return str(self._runner.device)

    @property
    def dtype(self) -> str:
        """What it computes in, as torch names it."""
        return str(self._runner.model.dtype).removeprefix("torch.")

    def stats(self) -> EngineStats:
        """Snapshot of gauges and counters."""
        with self._changed:
            scheduler, counters, pool = self._scheduler, self._counters, self._runner.pool
            return EngineStats(
                active={service: scheduler.num_running(service) for service in ServiceClass},
                waiting={service: scheduler.num_waiting(service) for service in ServiceClass},
                slots=scheduler.max_slots,
                queue_limit=scheduler.max_queue,
                kv_pool_bytes=pool.size_bytes,
                kv_used_tokens=sum(sequence.position for sequence in scheduler.running),
                kv_total_tokens=pool.num_slots * self._runner.num_positions,
                prefix_bytes=self._prefixes.size_bytes,
                prefix_hits=self._prefixes.hits,
                prefix_misses=self._prefixes.misses,
                frames=counters.frames,
                finished=counters.finished,
                cancelled=counters.cancelled,
                refused=counters.refused,
                failed=counters.failed,
            )

    def drain_timings(self) -> Timings:
        """Timings since the last call."""
        with self._changed:
            return self._timings.drain()

    # --- the engine's thread ---

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closing or self._aborts or self._scheduler.has_work)
                if self._is_closing:
                    return
            self._end_aborted_and_late()
            self._admit()
            try:
                self._prefill_some()
                self._decode()
            except Exception as error:  # whatever broke: out of memory, a device fault
                self._fail_running(log_internal_error(log, "a step of the language model failed", error))

    def _end_aborted_and_late(self) -> None:
        now_s = time.monotonic()
        with self._changed:
            aborts, self._aborts = self._aborts, {}
            late = [sequence for sequence in self._sequences.values() if sequence.is_late(now_s)]
        for stream_id, error in aborts.items():
            if stream_id in self._sequences:
                self._end(self._sequences[stream_id], error)
        for sequence in late:
            if sequence.status is not Status.DONE:
                self._end(sequence, _deadline_error(sequence, "has passed before there was any audio"))

    def _admit(self) -> None:
        now_s = time.monotonic()
        with self._changed:
            admitted = self._scheduler.admit()
            self._timings.queue_s.extend(now_s - sequence.arrived_s for sequence in admitted)
        for sequence in admitted:
            sequence.admitted_s = now_s
            sequence.schedule = ChunkSchedule(self._chunk_rules, sequence.request.chunk_frames)
            self._runner.open(sequence.slot, sequence.request.sampling)

    def _prefill_some(self) -> None:
        """Compute one piece of the prompt that is first in line."""
        prefilling = [sequence for sequence in self._scheduler.running if sequence.status is Status.PREFILLING]
        if not prefilling:
            return
        sequence = min(prefilling, key=_prefill_order)
        started_s = time.monotonic()
        num_tokens = self._prefiller.advance(sequence)
        elapsed_s = time.monotonic() - started_s
        sequence.prefill_s += elapsed_s
        if num_tokens:
            self._load.prefill_token_s.add(elapsed_s / num_tokens)
        if sequence.status is Status.DECODING:
            with self._changed:
                self._timings.prefill_s.append(sequence.prefill_s)
            sequence.prefill_s = 0.0

    def _decode(self) -> None:
        decoding = [sequence for sequence in self._scheduler.running if sequence.status is Status.DECODING]
        if not decoding:
            return
        started_s = time.monotonic()
        frames = self._runner.decode([Row(sequence.slot, sequence.position) for sequence in decoding])
        now_s = time.monotonic()
        self._load.step_s.add(now_s - started_s)
        self._note_step(decoding, frames, now_s, now_s - started_s)
        for sequence, frame in zip(decoding, frames, strict=True):
            sequence.position += 1
            self._take_frame(sequence, frame, now_s)

    def _note_step(
        self, decoding: AbstractSequence[Sequence], frames: AbstractSequence[Frame], now_s: float, step_s: float
    ) -> None:
        with self._changed:
            self._timings.step_s.append(step_s)
            self._timings.step_rows.append(len(decoding))
            self._timings.first_frame_s.extend(
                now_s - sequence.arrived_s for sequence in decoding if sequence.num_frames == 0
            )
            self._counters.frames += sum(frame.is_sound and not frame.is_end for frame in frames)

    def _take_frame(self, sequence: Sequence, frame: Frame, now_s: float) -> None:
        if not frame.is_sound:
            self._runner.discard(sequence.slot)
            fault = ArithmeticError(f"stream {sequence.stream_id}: logits are not finite")
            self._end(sequence, log_internal_error(log, "a row of the language model failed", fault))
            return
        if not frame.is_end:
            sequence.add_frame(frame.codes)
        is_out_of_room = sequence.position >= self._runner.num_positions
        if sequence.is_full or ((frame.is_end or is_out_of_room) and not self._begin_next_part(sequence)):
            self._finish(sequence, now_s)
        elif sequence.has_chunk(now_s):
            sequence.sink(sequence.take_chunk(is_last=False, now_s=now_s))

    def _begin_next_part(self, sequence: Sequence) -> bool:
        """Go on with the next part of the text, if there is one, in the context of those before it."""
        if not sequence.finish_part():
            return False
        columns = self._builder.next_part(sequence.parts[0])
        room = self._runner.num_positions - sequence.position - columns.shape[1]
        if room < min(PART_ROOM_FRAMES, sequence.frames_left):
            columns = self._fresh_context(sequence)
            sequence.position = 0
        sequence.pending = columns
        sequence.status = Status.PREFILLING
        return True

    def _fresh_context(self, sequence: Sequence) -> Columns:
        """Lay the prompt out anew with the latest parts that leave half of the context free."""
        prompts = sequence.request.prompts
        columns = self._builder.first_part(sequence.parts[0], prompts)
        for count in range(1, len(sequence.said) + 1):
            longer = self._builder.first_part(sequence.parts[0], (*prompts, *sequence.said[-count:]))
            if longer.shape[1] > self._runner.num_positions // 2:
                break
            columns = longer
        return columns

    def _finish(self, sequence: Sequence, now_s: float) -> None:
        if sequence.num_frames == 0:
            allowed = "text that the model can say"
            self._end(sequence, InvalidArgumentError("text", "the model found nothing to say in it", allowed))
            return
        self._load.hold_s.add(now_s - sequence.admitted_s)
        self._remove(sequence)
        with self._changed:
            self._counters.finished += 1
        sequence.sink(sequence.take_chunk(is_last=True, now_s=now_s))

    def _fail_running(self, error: S1Error) -> None:
        for sequence in list(self._scheduler.running):
            self._runner.discard(sequence.slot)
            self._end(sequence, error)

    def _end(self, sequence: Sequence, error: S1Error) -> None:
        self._remove(sequence)
        with self._changed:
            if isinstance(error, CancelledError):
                self._counters.cancelled += 1
            elif isinstance(error, UnavailableError):
                self._counters.refused += 1
            else:
                self._counters.failed += 1
        sequence.sink(StreamFailed(sequence.stream_id, error))

    def _remove(self, sequence: Sequence) -> None:
        with self._changed:
            self._scheduler.remove(sequence)
            del self._sequences[sequence.stream_id]

    # --- checks at the door ---

    def _parts(self, text: str) -> deque[str]:
        parts = split_text(clean_text(text), self._part_characters)
        return deque(self._front_end(part) for part in parts if is_speakable(part))

    def _read_transcripts(self, request: SpeechRequest) -> SpeechRequest:
        prompts = (replace(prompt, transcript=self._front_end(prompt.transcript)) for prompt in request.prompts)
        return replace(request, prompts=tuple(prompts))

    def _check_fits(self, columns: Columns) -> None:
        limit = self._runner.num_positions - 1
        if columns.shape[1] > limit:
            raise InvalidArgumentError(
                "text", f"takes {columns.shape[1]} tokens with its voice", f"at most {limit} tokens in this server"
            )

    def _check_deadline(self, sequence: Sequence) -> None:
        if sequence.deadline_s is None:
            return
        service = sequence.request.service
        expected_s = self._load.first_chunk_s(
            self._scheduler.num_ahead(service) + (self._scheduler.num_open(service) == 0),
            self._scheduler.max_slots,
            sequence.pending.shape[1],
            sequence.request.chunk_frames or self._chunk_rules.first_frames,
        )
        if expected_s * 1000 > sequence.request.deadline_ms:
            raise _deadline_error(sequence, f"cannot be met: first audio would take about {expected_s * 1000:.0f} ms")


def _prefill_order(sequence: Sequence) -> tuple[bool, float]:
    return sequence.request.service is not ServiceClass.CALL, sequence.admitted_s


def _deadline_error(sequence: Sequence, why: str) -> UnavailableError:
    return UnavailableError(f"deadline_ms: {sequence.request.deadline_ms} {why}")
