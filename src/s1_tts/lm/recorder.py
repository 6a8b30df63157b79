"""Takes down what the engine does: counts, timings, and how long things take at present."""

import threading
from collections.abc import Sequence as AbstractSequence
from dataclasses import replace

from s1_protocol.errors import CancelledError, S1Error, UnavailableError
from s1_tts.lm.sequence import Sequence, Status
from s1_tts.lm.stats import Counters, LoadEstimate, TimingLog, Timings
from s1_tts.lm.stepping import Frame


class Recorder:
    """What the engine has done. All methods may be called from any thread.

    Args:
        piece_tokens: Tokens of a piece of a prompt at most.
    """

    def __init__(self, piece_tokens: int) -> None:
        self._piece_tokens = piece_tokens
        self._lock = threading.Lock()
        self._counters = Counters()
        self._timings = TimingLog()
        self._load = LoadEstimate()

    def admitted(self, sequence: Sequence) -> None:
        """A sequence got its slot."""
        with self._lock:
            self._timings.queue_s.append(sequence.admitted_s - sequence.arrived_s)

    def prefilled(self, sequences: AbstractSequence[Sequence], *, is_computed: bool, elapsed_s: float) -> None:
        """Pieces of prompts were computed together, or were known already.

        Args:
            sequences: Whose prompts they are.
            is_computed: Whether anything was computed.
            elapsed_s: Seconds this took.
        """
        with self._lock:
            if is_computed:
                self._load.prefill_s.add(elapsed_s)
            for sequence in sequences:
                sequence.prefill_s += elapsed_s
                if sequence.status is Status.DECODING:
                    self._timings.prefill_s.append(sequence.prefill_s)
                    sequence.prefill_s = 0.0

    def decoded(
        self, rows: AbstractSequence[Sequence], frames: AbstractSequence[Frame], now_s: float, elapsed_s: float
    ) -> None:
        """A step was made; the frames are not yet added to their sequences."""
        first_frames_s = [now_s - sequence.arrived_s for sequence in rows if sequence.num_frames == 0]
        num_frames = sum(frame.is_sound and not frame.is_end for frame in frames)
        with self._lock:
            self._load.step_s.add(elapsed_s)
            self._timings.step_s.append(elapsed_s)
            self._timings.step_rows.append(len(rows))
            self._timings.first_frame_s.extend(first_frames_s)
            self._counters.frames += num_frames

    def finished(self, held_s: float, *, is_cut: bool) -> None:
        """A stream came to its end, or was cut before, and had its slot for so long."""
        with self._lock:
            self._load.hold_s.add(held_s)
            if is_cut:
                self._counters.cut += 1
            else:
                self._counters.finished += 1

    def ended(self, error: S1Error) -> None:
        """A stream ended with an error, or was not taken."""
        with self._lock:
            if isinstance(error, CancelledError):
                self._counters.cancelled += 1
            elif isinstance(error, UnavailableError):
                self._counters.refused += 1
            else:
                self._counters.failed += 1

    def first_chunk_s(self, num_ahead: int, num_slots: int, num_tokens: int, num_frames: int) -> float:
        """Seconds until a new request's first chunk, see :meth:`LoadEstimate.first_chunk_s`."""
        with self._lock:
            num_pieces = -(-num_tokens // self._piece_tokens)
            return self._load.first_chunk_s(num_ahead, num_slots, num_pieces, num_frames)

    def counters(self) -> Counters:
        """A copy of the counters."""
        with self._lock:
            return replace(self._counters)

    def drain_timings(self) -> Timings:
        """Timings since the last call."""
        with self._lock:
            return self._timings.drain()
