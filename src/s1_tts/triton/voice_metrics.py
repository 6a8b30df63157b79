"""Metrics of the voices."""

import shutil

from s1_tts.triton.metric_families import Counter, Gauge
from s1_tts.voices.cache import CacheStats
from s1_tts.voices.service import VoiceService

CACHES = tuple({"cache": name} for name in ("voices", "encodings"))


class VoiceMetrics:
    """Shows what the voice service counts; the caches are those of stored voices and of encoded recordings.

    Args:
        service: The service.
    """

    def __init__(self, service: VoiceService) -> None:
        self._service = service
        self._hits = Counter("s1_voice_cache_hits_total", "Questions that started no work", CACHES)
        self._misses = Counter("s1_voice_cache_misses_total", "Questions that read or encoded a voice", CACHES)
        self._evictions = Counter("s1_voice_cache_evictions_total", "Entries dropped to stay in the limit", CACHES)
        self._entries = Gauge("s1_voice_cache_entries", "Entries held", CACHES)
        self._bytes = Gauge("s1_voice_cache_bytes", "Memory that the entries take", CACHES)
        self._limit = Gauge("s1_voice_cache_limit_bytes", "Memory that the entries may take", CACHES)
        self._waiting = Gauge("s1_voice_waiting_requests", "Requests that wait for the store or the encoder")
        self._refused = Counter("s1_voice_refused_requests_total", "Requests refused because too many were waiting")
        self._encoding = Counter("s1_voice_encoding_seconds_total", "Seconds that the encoder computed")
        self._encoded = Counter("s1_voice_encoded_audio_seconds_total", "Seconds of recordings encoded")
        self._recordings = Gauge("s1_voice_recording_bytes", "Recordings under way, sent along or being stored")
        self._shm_free = Gauge("s1_shm_free_bytes", "Room in /dev/shm, through which all tensors pass")
        self._unconfirmed = Counter(
            "s1_voice_unconfirmed_total", "Times that a voice in memory was used although its store did not answer"
        )
        self.update()

    def update(self) -> None:
        """Show the service's present state."""
        stats = self._service.stats()
        for labels, cache in zip(CACHES, (stats.voices, stats.encodings), strict=True):
            self._show_cache(labels, cache)
        self._waiting.set(stats.waiting)
        self._refused.show(stats.refused)
        self._encoding.show(stats.encoding_s)
        self._encoded.show(stats.encoded_s)
        self._unconfirmed.show(stats.unconfirmed)
        self._recordings.set(stats.recording_bytes)
        self._shm_free.set(shutil.disk_usage("/dev/shm").free)

    def _show_cache(self, labels: dict[str, str], cache: CacheStats) -> None:
        self._hits.show(cache.hits, labels)
        self._misses.show(cache.misses, labels)
        self._evictions.show(cache.evictions, labels)
        self._entries.set(cache.entries, labels)
        self._bytes.set(cache.size_bytes, labels)
        self._limit.set(cache.limit_bytes, labels)
