"""Metrics of the codec's engine."""

from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.triton.metric_families import Counter, Gauge


class CodecMetrics:
    """Shows what the codec's batcher counts.

    Args:
        batcher: The engine.
    """

    def __init__(self, batcher: CodecBatcher) -> None:
        self._batcher = batcher
        self._streams = Gauge("s1_codec_active_streams", "Streams between their first and their last chunk")
        self._state_bytes = Gauge("s1_codec_state_bytes", "Memory that the states of the streams take")
        self._waiting = Gauge("s1_codec_waiting_chunks", "Chunks that wait for the decoder")
        self._chunks = Counter("s1_codec_chunks_total", "Chunks decoded")
        self._batches = Counter("s1_codec_batches_total", "Decoder calls; chunks over batches is the mean batch size")
        self._audio = Counter("s1_codec_audio_seconds_total", "Seconds of audio decoded")
        self._decoding = Counter("s1_codec_decoding_seconds_total", "Seconds that the decoder computed")
        self._failed = Counter("s1_codec_failed_chunks_total", "Chunks that could not be decoded, for whatever reason")
        self._idle = Counter("s1_codec_idle_streams_total", "Streams dropped because no chunk came for too long")
        self._refused = Counter("s1_codec_refused_streams_total", "Streams refused because there were too many")
        self.update()

    def update(self) -> None:
        """Show the batcher's present state."""
        stats = self._batcher.stats()
        self._streams.set(stats.streams)
        self._state_bytes.set(stats.state_bytes)
        self._waiting.set(stats.waiting_chunks)
        self._chunks.show(stats.decoded_chunks)
        self._batches.show(stats.decoded_batches)
        self._audio.show(stats.decoded_frames / FRAMES_PER_SECOND)
        self._decoding.show(stats.decoding_s)
        self._failed.show(stats.failed_chunks)
        self._idle.show(stats.idle_streams)
        self._refused.show(stats.refused_streams)
