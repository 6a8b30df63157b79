"""How the engine is at one moment, in numbers."""

from s1_protocol.names import ServiceClass
from s1_tts.lm.prefix_cache import PrefixCache
from s1_tts.lm.recorder import Recorder
from s1_tts.lm.scheduler import Scheduler
from s1_tts.lm.stats import EngineStats
from s1_tts.lm.stepping import Runner


def snapshot(runner: Runner, scheduler: Scheduler, prefixes: PrefixCache, recorder: Recorder) -> EngineStats:
    """Gauges and counters of an engine's parts; its caller holds the engine's lock."""
    counters, pool = recorder.counters(), runner.pool
    return EngineStats(
        active={service: scheduler.num_running(service) for service in ServiceClass},
        waiting={service: scheduler.num_waiting(service) for service in ServiceClass},
        slots=scheduler.max_slots,
        queue_limit=scheduler.max_queue,
        kv_pool_bytes=pool.size_bytes,
        kv_used_tokens=sum(sequence.position for sequence in scheduler.running),
        kv_total_tokens=pool.num_slots * runner.num_positions,
        prefix_bytes=prefixes.size_bytes,
        prefix_hits=prefixes.hits,
        prefix_misses=prefixes.misses,
        frames=counters.frames,
        finished=counters.finished,
        cancelled=counters.cancelled,
        refused=counters.refused,
        failed=counters.failed,
        cut=counters.cut,
    )
