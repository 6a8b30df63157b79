"""The thread that decodes: chunks of different streams that wait together are decoded together."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from s1_protocol.errors import InternalError, InvalidArgumentError, S1Error, UnavailableError, log_internal_error
from s1_protocol.names import Field
from s1_tts.codec.batch_policy import BatchPolicy
from s1_tts.codec.chunk_queue import ChunkQueue
from s1_tts.codec.chunk_streams import Piece, Refusal
from s1_tts.codec.native.tile_layers import TileKernels
from s1_tts.codec.pcm import UNSOUND, to_pcm16
from s1_tts.codec.state import StreamState
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.cuda import enter, is_lost, memory_bytes, prepare_process
from s1_tts.device import limit_threads, resolve_device, resolve_dtype
from s1_tts.freed_memory import give_back_freed_memory
from s1_tts.heartbeat import RoundClock
from s1_tts.kernel_launch import can_launch
from s1_tts.settings import Settings
from s1_tts.stream_events import AudioSink, CodesChunk, StreamFailed

log = logging.getLogger(__name__)


class ChunkDecoder(Protocol):
    """What the batcher needs of a decoder; :class:`~s1_tts.codec.streaming.StreamingDecoder` is one."""

    @property
    def state_bytes(self) -> int:
        """Memory the state of one stream takes."""

    @property
    def keeps_states(self) -> bool:
        """Whether a decode that fails leaves the states as they were."""

    def new_state(self) -> StreamState:
        """State of a stream that has not begun."""

    def check(self, codes: Tensor) -> None:
        """Raise ``InvalidArgumentError`` for codes that cannot be decoded."""

    def decode(self, states: Sequence[StreamState], codes: Sequence[Tensor]) -> list[Tensor]:
        """Decode the next chunk of each stream."""


@dataclass
class CodecStats:
    """What the batcher holds and has done since it was made.

    Args:
        streams: Streams between their first and last chunk.
        state_bytes: Memory their states take.
        waiting_chunks: Chunks that wait for the decoder.
        decoded_chunks: Chunks decoded.
        decoded_batches: Decoder calls.
        decoded_frames: Frames decoded.
        decoding_s: Time the decoder took for them, in seconds.
        failed_chunks: Chunks answered with an error, for whatever reason.
        idle_streams: Streams dropped because no chunk came for too long.
        refused_streams: Streams refused because there were too many.
    """

    streams: int = 0
    state_bytes: int = 0
    waiting_chunks: int = 0
    decoded_chunks: int = 0
    decoded_batches: int = 0
    decoded_frames: int = 0
    decoding_s: float = 0.0
    failed_chunks: int = 0
    idle_streams: int = 0
    refused_streams: int = 0


@dataclass(frozen=True)
class DeviceCare:
    """What a device wants that a CPU does not.

    Args:
        warm_up: Run before the first chunk, in the thread that decodes: libraries keep plans by thread.
        is_lost: Asked after a fault: whether all calls will fail.
        on_lost: Called when the device is lost and every stream has been ended; the process is of no more use.
        is_timed: Whether a batch that takes far longer than those before it is taken for stuck.
    """

    warm_up: Callable[[], None] = lambda: None
    is_lost: Callable[[], bool] = lambda: False
    on_lost: Callable[[], None] = lambda: None
    is_timed: bool = True


@dataclass(frozen=True)
class _Work:
    """What the thread does next; nothing of it while it is closing but to refuse."""

    refusals: list[Refusal]
    batch: list[Piece]
    is_closing: bool


class CodecBatcher:
    """Decodes chunks of many streams on a thread of its own.

    Every chunk submitted is answered exactly once, by its sink, with its sound or with the reason why there is none.

    Args:
        decoder: Used from the batcher's thread only.
        policy: How batches are made. A chunk is answered when all of it is decoded.
        max_streams: Streams that live at once; the first chunk of one more is refused.
        idle_s: The state of a stream without chunks for this long is dropped.
        care: What the decoder's device wants.
    """

    def __init__(
        self,
        decoder: ChunkDecoder,
        policy: BatchPolicy = BatchPolicy(),  # noqa: B008 - frozen
        *,
        max_streams: int = 256,
        idle_s: float = 60.0,
        care: DeviceCare = DeviceCare(),
    ) -> None:
        self._decoder = decoder
        self._changed = threading.Condition()  # guards everything below
        self._queue = ChunkQueue(policy, max_streams=max_streams, idle_s=idle_s)
        self._refusals: list[Refusal] = []
        self._is_closing = False
        self._done = CodecStats()
        self._care = care
        self._begun: Future[None] = Future()
        self.rounds = RoundClock(is_learning=care.is_timed)
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name="codec-batcher", daemon=True)

    @classmethod
    def load(cls, settings: Settings, on_lost: Callable[[], None] = lambda: None) -> Self:
        """Load the decoder of the checkpoint that the settings name.

        Args:
            settings: All settings.
            on_lost: Called when the device is lost, see :class:`DeviceCare`.

        Raises:
            SettingsError: no checkpoint is set, or the device does not exist.
            CheckpointError: the checkpoint is missing, unreadable, or not of the published layout.
        """
        device = resolve_device(settings.device)
        prepare_process(device, use_cudnn_attention=settings.cudnn_attention)
        settings = settings.sized_for(memory_bytes(device))
        limit_threads(settings.threads)
        folder, is_cpu = settings.require_checkpoint(), device.type == "cpu"
        dtype = resolve_dtype(settings.dtype, device)
        # what rounds the language model's weights rounds the codec's products too, but for who wants float32
        is_compiled = is_cpu and settings.native_layers and settings.weights == "int8" and dtype is torch.bfloat16
        kernels = TileKernels.find(parts=1) if is_compiled else None
        decoder = StreamingDecoder.load(folder, device, dtype if kernels is None else torch.float32, kernels)
        give_back_freed_memory()
        log.info("codec of %s: %s layers", folder, "torch's" if kernels is None else "compiled")
        policy = BatchPolicy.of_device(device.type, settings.max_slots, settings.codec_wait_ms / 1e3)
        if settings.gpu_kernels and device.type == "cuda" and can_launch():
            decoder.use_kernels()

        def warm_up() -> None:
            enter(device)
            decoder.use_graphs(policy.max_batch, settings.max_streams)

        care = DeviceCare(warm_up, lambda: is_lost(device), on_lost, is_timed=is_cpu)
        return cls(decoder, policy, max_streams=settings.max_streams, idle_s=settings.stream_idle_s, care=care)

    def start(self) -> None:
        """Start the decoding thread, and wait until it is warm; chunks submitted before wait for it."""
        self._thread.start()
        self._begun.result()

    def submit(self, chunk: CodesChunk, sink: AudioSink) -> None:
        """Hand a chunk over; returns at once.

        Args:
            chunk: Chunks of a stream are submitted in order, from index 0 to the one with ``is_last``.
            sink: Called once, from the decoding thread, or from here when the batcher is closed.
        """
        with self._changed:
            if not self._is_closing:
                self._refusals += self._queue.add(chunk, sink, time.monotonic())
                self._changed.notify()
                return
        sink(StreamFailed(chunk.stream_id, UnavailableError("the codec is shutting down")))

    def abort(self, stream_id: int) -> None:
        """Forget a stream whose caller left; its chunks that wait end with ``CancelledError``.

        A chunk whose end is being decoded is still answered with its sound. An unknown stream is passed over.
        """
        with self._changed:
            self._refusals += self._queue.abort(stream_id)
            self._changed.notify()

    def close(self) -> None:
        """End every stream with ``UnavailableError`` and wait for the decoding thread; a second call does nothing."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._refuse_all(UnavailableError("the codec is shutting down"))

    def stats(self) -> CodecStats:
        """What the batcher holds and has done; may be called from any thread."""
        with self._changed:
            num_states = sum(stream.state is not None for stream in self._queue.streams)
            return replace(
                self._done,
                streams=self._queue.num_streams,
                state_bytes=num_states * self._decoder.state_bytes,
                waiting_chunks=self._queue.num_waiting,
                idle_streams=self._queue.num_idle_streams,
                refused_streams=self._queue.num_refused_streams,
            )

    # --- the decoding thread ---

    def _run(self) -> None:
        try:
            self._care.warm_up()
        except Exception as fault:
            self._begun.set_exception(fault)
            return
        self._begun.set_result(None)
        work = _Work([], [], is_closing=False)
        while not work.is_closing:
            try:
                self.rounds.end()
                work = self._next_work()
                self.rounds.begin()
                self._refuse(work.refusals)
                self._decode(self._valid(work.batch))
            except Exception as fault:
                error = log_internal_error(log, "the codec's thread failed", fault)
                self._has_failed = True
                self._refuse([Refusal(piece.waiting, error) for piece in work.batch])
                self._refuse_all(error)
            if self._has_failed and self._care.is_lost():
                self._leave()
                return
            self._has_failed = False

    def _leave(self) -> None:
        """End every stream, take no more, and call what can end this process."""
        error = log_internal_error(log, "no stream can go on", RuntimeError("the device is lost"))
        with self._changed:
            self._is_closing = True
        self._refuse_all(error)
        self._care.on_lost()

    def _next_work(self) -> _Work:
        """Wait until there is something to refuse or to decode, or the batcher closes."""
        with self._changed:
            while True:
                now_s = time.monotonic()
                self._queue.end_idle(now_s)
                to_batch_s = self._queue.seconds_to_batch(now_s)
                if self._is_closing or self._refusals or to_batch_s == 0:
                    refusals, self._refusals = self._refusals, []
                    is_batching = to_batch_s == 0 and not self._is_closing
                    return _Work(refusals, self._queue.take() if is_batching else [], self._is_closing)
                times_s = [t for t in (to_batch_s, self._queue.seconds_to_idle(now_s)) if t is not None]
                self._changed.wait(min(times_s, default=None))

    def _valid(self, batch: list[Piece]) -> list[Piece]:
        """Refuse the chunks that cannot be decoded, so that they do not take the others of the batch with them.

        A chunk is looked at as a whole before its first piece: all of it is decoded, or nothing.
        """
        valid = []
        for piece in batch:
            try:
                if piece.begin == 0:
                    self._decoder.check(codes_tensor(piece.waiting.chunk.codes))
            except S1Error as error:
                self._fail(piece, error)
            except Exception as fault:
                self._fail(piece, log_internal_error(log, "a chunk could not be looked at", fault))
            else:
                valid.append(piece)
        return valid

    def _decode(self, batch: list[Piece]) -> None:
        if not batch:
            return
        started_s = time.monotonic()
        try:
            states = [piece.stream.state or self._decoder.new_state() for piece in batch]
            samples = self._decoder.decode(states, [codes_tensor(piece.codes) for piece in batch])
            pcm = _to_pcm16(samples)
        except Exception as fault:
            self._has_failed = True
            if len(batch) > 1 and self._decoder.keeps_states and not self._care.is_lost():
                log.warning("decoding %d chunks failed; they are decoded one by one", len(batch), exc_info=fault)
                for piece in batch:
                    self._decode([piece])
                return
            error = log_internal_error(log, f"decoding {len(batch)} chunks failed", fault)
            for piece in batch:
                self._fail(piece, error, "it could not be decoded")
            return
        unsound = [piece for piece, row in zip(batch, pcm, strict=True) if (row == UNSOUND).any()]
        for piece in unsound:
            self._has_failed = True
            unfit = ArithmeticError(f"stream {piece.stream.stream_id}: samples are not finite")
            self._fail(piece, log_internal_error(log, "a row of the codec failed", unfit), "it is no sound")
        now_s = time.monotonic()
        refusals = []
        with self._changed:
            self._done.decoded_batches += 1
            self._done.decoded_chunks += sum(piece.is_final for piece in batch if piece not in unsound)
            self._done.decoded_frames += sum(piece.num_frames for piece in batch)
            self._done.decoding_s += now_s - started_s
            for piece, state, row in zip(batch, states, pcm, strict=True):
                if piece in unsound:
                    continue
                piece.stream.state = state
                piece.waiting.sound.append(row)
                refusals += self._queue.give_back(piece, now_s)
        self._refuse(refusals)
        for piece in batch:
            if piece.is_final and piece not in unsound:
                piece.waiting.answer()

    # --- chunks that are not decoded ---

    def _fail(self, piece: Piece, error: S1Error, detail: str = "") -> None:
        """End a stream whose chunk cannot be decoded, together with its chunks that wait."""
        with self._changed:
            refusals = [Refusal(piece.waiting, error, detail), *self._queue.end(piece.stream, error, detail)]
        self._refuse(refusals)

    def _refuse_all(self, error: S1Error) -> None:
        with self._changed:
            refusals = self._refusals + self._queue.end_all(error)
            self._refusals = []
        self._refuse(refusals)

    def _refuse(self, refusals: list[Refusal]) -> None:
        with self._changed:
            self._done.failed_chunks += len(refusals)
        for refusal in refusals:
            chunk, error = refusal.waiting.chunk, refusal.error
            if isinstance(error, InternalError):
                where = f"stream {chunk.stream_id} chunk {chunk.index}"
                log.error("internal error %s: %s: %s", error.error_id, where, refusal.detail)
            refusal.waiting.refuse(error)


def codes_tensor(codes: npt.NDArray[np.int32]) -> Tensor:
    """Codes ``[num_codebooks, frames]`` as a tensor of int64.

    Raises:
        InvalidArgumentError: they are no integers.
    """
    if not np.issubdtype(codes.dtype, np.integer):
        raise InvalidArgumentError(Field.CODES, f"is of type {codes.dtype}", "integers")
    return torch.from_numpy(codes.astype(np.int64))


def _to_pcm16(samples: Sequence[Tensor]) -> list[npt.NDArray[np.int16]]:
    """Convert all rows at once: a GPU is waited for once."""
    ends = np.cumsum([len(row) for row in samples])
    return np.split(to_pcm16(torch.cat(list(samples))), ends[:-1])
