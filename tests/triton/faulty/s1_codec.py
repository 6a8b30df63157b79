"""A codec that fails at the third chunk of calls."""

import logging

from s1_protocol.errors import log_internal_error
from s1_protocol.names import ServiceClass
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.settings import Settings
from s1_tts.stream_events import AudioSink, CodesChunk, StreamFailed
from s1_tts.triton.models.codec import CodecModel


class FaultyBatcher(CodecBatcher):
    def submit(self, chunk: CodesChunk, sink: AudioSink) -> None:
        if chunk.service is ServiceClass.CALL and chunk.index == 2:
            error = log_internal_error(logging.getLogger(__name__), "decoding", RuntimeError("secret of the codec"))
            sink(StreamFailed(chunk.stream_id, error))
        else:
            super().submit(chunk, sink)


class TritonPythonModel(CodecModel):
    def load_batcher(self, settings: Settings) -> CodecBatcher:
        return FaultyBatcher.load(settings)
