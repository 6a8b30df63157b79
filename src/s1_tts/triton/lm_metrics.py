"""Metrics of the language model's engine."""

from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.lm.engine import LmEngine
from s1_tts.triton.metric_families import Counter, Gauge, Histogram

CLASSES = tuple({"service": service.value} for service in ServiceClass)
OUTCOMES = ("finished", "cut", "cancelled", "refused", "failed")

STEP_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
WAIT_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
ROWS_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class LmMetrics:
    """Shows what the engine counts.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: LmEngine) -> None:
        self._engine = engine
        self._active = Gauge("s1_lm_active_sequences", "Sequences that have a slot", CLASSES)
        self._waiting = Gauge("s1_lm_waiting_sequences", "Sequences that wait for a slot", CLASSES)
        self._slots = Gauge("s1_lm_slots", "Slots in all")
        self._queue_limit = Gauge("s1_lm_queue_limit", "Sequences of each class that may wait")
        self._pool_bytes = Gauge("s1_lm_kv_pool_bytes", "Size of the KV pool")
        self._pool_tokens = Gauge("s1_lm_kv_pool_tokens", "Tokens that the KV pool can hold")
        self._used_tokens = Gauge("s1_lm_kv_used_tokens", "Tokens of running sequences in the KV pool")
        self._prefix_bytes = Gauge("s1_lm_prefix_bytes", "Memory that the voices kept in the model take")
        self._prefix_hits = Counter("s1_lm_prefix_hits_total", "Prompts whose voice was known to the model")
        self._prefix_misses = Counter("s1_lm_prefix_misses_total", "Prompts whose voice had to be computed")
        self._frames = Counter("s1_lm_frames_total", "Frames generated")
        self._audio = Counter("s1_lm_audio_seconds_total", "Seconds of audio generated, as codes")
        self._streams = Counter(
            "s1_lm_streams_total", "Streams that ended, by outcome", [{"outcome": outcome} for outcome in OUTCOMES]
        )
        self._step = Histogram("s1_lm_step_seconds", "Time of a decode step", STEP_BUCKETS_S)
        self._step_rows = Histogram("s1_lm_step_rows", "Sequences in a decode step", ROWS_BUCKETS)
        self._prefill = Histogram("s1_lm_prefill_seconds", "Compute time of a prompt", WAIT_BUCKETS_S)
        self._queue = Histogram("s1_lm_queue_seconds", "Wait for a slot", WAIT_BUCKETS_S)
        self._first_frame = Histogram(
            "s1_lm_first_frame_seconds", "From a request's arrival to its first frame", WAIT_BUCKETS_S
        )
        self.update()

    def update(self) -> None:
        """Show the engine's present state."""
        stats = self._engine.stats()
        for labels in CLASSES:
            service = ServiceClass(labels["service"])
            self._active.set(stats.active[service], labels)
            self._waiting.set(stats.waiting[service], labels)
        self._slots.set(stats.slots)
        self._queue_limit.set(stats.queue_limit)
        self._pool_bytes.set(stats.kv_pool_bytes)
        self._pool_tokens.set(stats.kv_total_tokens)
        self._used_tokens.set(stats.kv_used_tokens)
        self._prefix_bytes.set(stats.prefix_bytes)
        self._prefix_hits.show(stats.prefix_hits)
        self._prefix_misses.show(stats.prefix_misses)
        self._frames.show(stats.frames)
        self._audio.show(stats.frames / FRAMES_PER_SECOND)
        for outcome in OUTCOMES:
            self._streams.show(getattr(stats, outcome), {"outcome": outcome})
        timings = self._engine.drain_timings()
        self._step.observe(timings.step_s)
        self._step_rows.observe(timings.step_rows)
        self._prefill.observe(timings.prefill_s)
        self._queue.observe(timings.queue_s)
        self._first_frame.observe(timings.first_frame_s)
