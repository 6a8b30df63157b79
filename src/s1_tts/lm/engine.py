"""The engine of the language model: many streams in flight, each joining and leaving between two decode steps.

One thread steps the model. Callers hand in requests and aborts under a lock and get events through their sinks; the
thread never waits for a sink, a sink never waits. Each round of the thread: take in aborts and admissions, compute
some prompt, decode one frame of every running stream, send what is due. On a GPU the next frames are launched before
the last ones are read, so that it never waits for the host; a stream that ended meanwhile has a frame nobody reads.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Self

from s1_protocol.errors import CancelledError, InvalidArgumentError, S1Error, UnavailableError, log_internal_error
from s1_protocol.names import ServiceClass
from s1_tts.cuda import enter, memory_bytes, prepare_process
from s1_tts.device import limit_threads, resolve_device, resolve_dtype, shared_threads
from s1_tts.heartbeat import RoundClock
from s1_tts.lm.admission import Admission, check_deadline, deadline_error
from s1_tts.lm.chunking import ChunkRules, ChunkSchedule
from s1_tts.lm.loading import load_language_model, make_runner
from s1_tts.lm.parts import PartPlanner
from s1_tts.lm.prefill import PREFILL_TOKENS, Prefiller
from s1_tts.lm.prefill_clock import PrefillClock
from s1_tts.lm.prefix_cache import PrefixCache
from s1_tts.lm.prompt import PromptBuilder
from s1_tts.lm.recorder import Recorder
from s1_tts.lm.scheduler import Scheduler
from s1_tts.lm.sequence import Sequence, Status
from s1_tts.lm.snapshot import snapshot
from s1_tts.lm.stats import EngineStats, Timings
from s1_tts.lm.stepping import Frame, PromptPiece, Runner
from s1_tts.lm.steps import Steps
from s1_tts.settings import Settings
from s1_tts.speech_task import SpeechTask
from s1_tts.stream_events import CodesChunk, CodesSink, StreamFailed, StreamIds
from s1_tts.text.front_end import TextFrontEnd, load_text_front_end, plain_text

log = logging.getLogger(__name__)


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
        is_warmed_up: Run what requests will run before the first one comes, in the thread that serves them: libraries
            keep plans by thread.
        on_lost: Called when the device is lost and every stream has been ended; the process is of no more use.
    """

    def __init__(  # noqa: PLR0913  # parts that are made elsewhere, each by its name
        self,
        runner: Runner,
        builder: PromptBuilder,
        scheduler: Scheduler,
        prefixes: PrefixCache,
        *,
        prefill_tokens: int,
        part_characters: int,
        front_end: TextFrontEnd = plain_text,
        is_warmed_up: bool = False,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self._prefixes = prefixes
        self._admission = Admission(builder, front_end, part_characters, runner.num_positions)
        self._prefiller = Prefiller(runner, prefixes, prefill_tokens)
        self._parts = PartPlanner(builder, runner.num_positions)
        self._recorder = Recorder(prefill_tokens)
        self._chunk_rules = ChunkRules()
        self._sequences: dict[int, Sequence] = {}
        self._aborts: dict[int, S1Error] = {}
        self._ids = StreamIds()
        self._changed = threading.Condition()
        self._is_closing = False
        self._steps = Steps(runner)
        self._has_failed = False
        self._prefill_clock = PrefillClock(runner.device, self._recorder)
        self._is_warmed_up = is_warmed_up
        self._on_lost = on_lost
        self._begun: Future[None] = Future()
        self.rounds = RoundClock(is_learning=runner.device.type == "cpu")
        self._thread = threading.Thread(target=self._run, name="s1-lm-engine", daemon=True)

    @classmethod
    def load(cls, settings: Settings, on_lost: Callable[[], None] = lambda: None) -> Self:
        """Load the model that the settings name.

        Args:
            settings: All settings.
            on_lost: Called when the device is lost, see the class.

        Raises:
            SettingsError: a setting is wrong, or the KV pool does not fit.
            CheckpointError: the checkpoint is missing or does not fit the model.
        """
        limit_threads(settings.threads)
        device = resolve_device(settings.device)
        prepare_process(device, use_cudnn_attention=settings.cudnn_attention)
        settings = settings.sized_for(memory_bytes(device))
        folder = settings.require_checkpoint()
        dtype = resolve_dtype(settings.dtype, device)
        loaded = load_language_model(
            folder,
            device,
            dtype,
            settings.context_tokens,
            use_native=settings.native_layers,
            as_bytes=settings.weights == "int8",
            threads=shared_threads(settings.threads),
        )
        runner = make_runner(loaded, settings.max_slots, use_kernels=settings.gpu_kernels)
        return cls(
            runner,
            PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks),
            Scheduler(settings.max_slots, settings.max_queue, settings.call_slots),
            PrefixCache(runner.pool, settings.prefix_cache_mb * 2**20),
            prefill_tokens=settings.prefill_tokens or PREFILL_TOKENS[device.type],
            part_characters=settings.part_characters,
            front_end=load_text_front_end(folder),
            is_warmed_up=True,
            on_lost=on_lost,
        )

    def start(self) -> None:
        """Start stepping; waits until the model is warm, if that is wanted."""
        self._thread.start()
        self._begun.result()

    def close(self) -> None:
        """Stop after the step at hand; every open stream ends with ``UnavailableError``."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        for sequence in list(self._sequences.values()):
            self._end(sequence, UnavailableError("the server is shutting down"))

    def submit(self, request: SpeechTask, sink: CodesSink) -> int:
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
        prepared = self._admission.prepare(request)
        with self._changed:
            if self._is_closing:
                raise UnavailableError("the server is shutting down")
            sequence = prepared.sequence(self._ids.new(), sink, time.monotonic())
            try:
                check_deadline(sequence, self._scheduler, self._recorder, self._chunk_rules.first_frames)
                self._scheduler.add(sequence)
            except UnavailableError as error:
                self._recorder.ended(error)
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
            return snapshot(self._runner, self._scheduler, self._prefixes, self._recorder)

    def drain_timings(self) -> Timings:
        """Timings since the last call."""
        return self._recorder.drain_timings()

    # --- the engine's thread ---

    def _run(self) -> None:
        if not self._has_begun():
            return
        while self._wait_for_work():
            try:
                self._end_aborted_and_late()
                self._admit()
                self._prefill_some()
                self._decode()
            except Exception as fault:  # whatever broke: out of memory, a device fault
                self._fail_running(log_internal_error(log, "a step of the language model failed", fault))
            if self._has_failed and self._runner.is_lost():
                self._leave()
                return
            self._has_failed = False

    def _has_begun(self) -> bool:
        try:
            enter(self._runner.device)
            if self._is_warmed_up:
                self._runner.warm_up()
        except Exception as fault:
            self._begun.set_exception(fault)
            return False
        self._begun.set_result(None)
        return True

    def _leave(self) -> None:
        """End every stream, take no more, and call what can end this process."""
        error = log_internal_error(log, "no stream can go on", RuntimeError("the device is lost"))
        with self._changed:
            self._is_closing = True
        for sequence in list(self._sequences.values()):
            self._end(sequence, error)
        self._on_lost()

    def _wait_for_work(self) -> bool:
        """Wait until there is something to do; returns whether the engine stays open."""
        self.rounds.end()
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._aborts or self._steps or self._scheduler.has_work)
            self.rounds.begin()
            return not self._is_closing

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
                self._end(sequence, deadline_error(sequence, "has passed before there was any audio"))

    def _admit(self) -> None:
        now_s = time.monotonic()
        with self._changed:
            admitted = self._scheduler.admit()
        for sequence in admitted:
            with self._failing_alone(sequence):
                sequence.admitted_s = now_s
                sequence.schedule = ChunkSchedule(self._chunk_rules, sequence.request.chunk_frames)
                self._recorder.admitted(sequence)
                self._runner.open(sequence.slot, sequence.request.sampling)

    def _prefill_some(self) -> None:
        """Compute pieces of the prompts that are first in line: one, or on a GPU as many as fit in one go."""
        waiting = [sequence for sequence in self._scheduler.running if sequence.status is Status.PREFILLING]
        if waiting:
            self._prefill(sorted(waiting, key=_prefill_order))
        self._prefill_clock.settle()

    def _prefill(self, waiting: list[Sequence]) -> None:
        chosen: list[tuple[Sequence, PromptPiece]] = []
        for sequence in self._prefiller.choose(waiting):
            with self._failing_alone(sequence):
                chosen.append((sequence, self._prefiller.next_piece(sequence)))
        self._prefill_clock.begin()
        pieces = [piece for _, piece in chosen if piece.columns.shape[1]]
        faults = self._prefiller.compute(pieces)
        for sequence, piece in chosen:
            with self._failing_alone(sequence):
                if piece.slot in faults:
                    raise faults[piece.slot]
                self._prefiller.advance(sequence, piece)
        self._prefill_clock.end([sequence for sequence, _ in chosen], is_computed=bool(pieces))

    def _decode(self) -> None:
        """Decode one frame of every stream whose prompt is computed."""
        advance = self._steps.advance(self._scheduler.running)
        now_s = time.monotonic()
        for result in advance.results:
            self._recorder.decoded(result.sequences, result.frames, now_s, result.elapsed_s)
            for sequence, frame in zip(result.sequences, result.frames, strict=True):
                with self._failing_alone(sequence):
                    self._take_frame(sequence, frame, now_s)
        for sequence, fault in advance.faults:
            with self._failing_alone(sequence):
                raise fault

    def _take_frame(self, sequence: Sequence, frame: Frame, now_s: float) -> None:
        sequence.position += 1
        if not frame.is_sound:
            raise ArithmeticError(f"stream {sequence.stream_id}: logits are not finite")
        if not frame.is_end:
            sequence.add_frame(frame.codes)
        is_out_of_room = sequence.position >= self._runner.num_positions
        has_more = len(sequence.parts) > 1
        if frame.is_end:
            sequence.is_cut |= sequence.is_part_silent or (sequence.is_full and has_more)
        else:
            sequence.is_cut |= sequence.is_full or is_out_of_room
        if sequence.is_full or ((frame.is_end or is_out_of_room) and not self._parts.begin_next(sequence)):
            self._finish(sequence, now_s)
        elif sequence.has_chunk(now_s):
            sequence.sink(sequence.take_chunk(is_last=False, now_s=now_s))

    # --- how a stream ends ---

    def _finish(self, sequence: Sequence, now_s: float) -> None:
        if sequence.num_frames == 0:
            allowed = "text that the model can say"
            self._end(sequence, InvalidArgumentError("text", "the model found nothing to say in it", allowed))
            return
        chunk = sequence.take_chunk(is_last=True, now_s=now_s)
        self._remove(sequence)
        self._recorder.finished(now_s - sequence.admitted_s, is_cut=sequence.is_cut)
        _tell_end(sequence, chunk)

    @contextmanager
    def _failing_alone(self, sequence: Sequence) -> Iterator[None]:
        """Let a fault in what concerns one stream end that stream and no other."""
        try:
            yield
        except S1Error as error:  # for the caller: what it is, and what is allowed
            self._fail(sequence, error)
        except Exception as fault:
            self._fail(sequence, log_internal_error(log, "a row of the language model failed", fault))

    def _fail_running(self, error: S1Error) -> None:
        self._has_failed = True
        self._steps.forget()
        self._prefill_clock.forget()
        for sequence in list(self._scheduler.running):
            self._fail(sequence, error)

    def _fail(self, sequence: Sequence, error: S1Error) -> None:
        self._has_failed = True
        try:
            self._runner.discard(sequence.slot)
        except Exception:
            # The device itself is broken; the next sequence in the slot fails too.
            log.exception("the slot of stream %d could not be cleared", sequence.stream_id)
        self._end(sequence, error)

    def _end(self, sequence: Sequence, error: S1Error) -> None:
        self._remove(sequence)
        self._recorder.ended(error)
        _tell_end(sequence, StreamFailed(sequence.stream_id, error))

    def _remove(self, sequence: Sequence) -> None:
        with self._changed:
            self._scheduler.remove(sequence)
            self._sequences.pop(sequence.stream_id, None)


def _tell_end(sequence: Sequence, event: CodesChunk | StreamFailed) -> None:
    try:
        sequence.sink(event)
    except Exception:
        log.exception("the sink of stream %d failed at its end", sequence.stream_id)


def _prefill_order(sequence: Sequence) -> tuple[bool, float]:
    return sequence.request.service is not ServiceClass.CALL, sequence.admitted_s
