"""Adapter of the codec: chunks of codes in, chunks of sound out, through the engine's micro-batcher.

A caller that left is seen here first, since Triton does not tell the language model's step, which is running. A
chunk of such a stream, or of one that failed, is answered with an empty chunk and never with an error while the
language model still runs: before release 26.03 that would leave the whole request stuck. The language model is told
instead, and ends the stream.
"""

import base64
import logging
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np

from s1_tts.codec.batcher import CodecBatcher
from s1_tts.errors import CancelledError, InvalidArgumentError, S1Error
from s1_tts.protocol import SAMPLE_RATE_HZ, Field, ServiceClass
from s1_tts.request import read_string
from s1_tts.settings import Settings
from s1_tts.stream import AudioChunk, CodesChunk, StreamFailed
from s1_tts.triton.abort import AbortBridge, AbortOrder
from s1_tts.triton.codec_metrics import CodecMetrics
from s1_tts.triton.errors import as_s1_error
from s1_tts.triton.failures import FailedStreams
from s1_tts.triton.model import read_config_parameters, set_up_logging, start_up_failures
from s1_tts.triton.sender import Responder, Sender
from s1_tts.triton.tensors import Array, NamedArray, Parameters, read_tensors, scalar
from s1_tts.triton.ticker import Ticker

log = logging.getLogger(__name__)

METRICS_INTERVAL_S = 1.0


class CodecModel:
    """The Triton model ``s1_codec``."""

    def initialize(self, args: dict[str, Any]) -> None:
        """Load the engine and start the threads."""
        set_up_logging(args["model_name"])
        with start_up_failures(log):
            settings = Settings.load(read_config_parameters(args["model_config"]))
            log.info("settings: %s", settings.describe())
            self._batcher = self.load_batcher(settings)
        self._sender = Sender()
        self._bridge = AbortBridge()
        self._failed = FailedStreams()
        self._arrivals: SimpleQueue[_Arrival | None] = SimpleQueue()
        self._intake = threading.Thread(target=self._take_all, name="s1-codec-intake", daemon=True)
        metrics = CodecMetrics(self._batcher)
        self._metrics_ticker = Ticker("s1-codec-metrics", METRICS_INTERVAL_S, metrics.update)
        self._batcher.start()
        self._intake.start()

    def load_batcher(self, settings: Settings) -> CodecBatcher:
        """Load the engine that does the work."""
        return CodecBatcher.load(settings)

    def execute(self, requests: list[Any]) -> None:
        """Take chunks in; never waits, not even for the answer whether the caller is still there."""
        for request in requests:
            parameters = Parameters.of(request)
            responder = Responder(request, self._sender, is_error_coded=parameters.is_from_collector)
            self._arrivals.put(_Arrival(request, parameters, responder))

    def finalize(self) -> None:
        """Stop the threads in order: each before the one it feeds."""
        self._metrics_ticker.close()
        self._arrivals.put(None)
        self._intake.join()
        self._batcher.close()
        self._bridge.close()
        self._sender.close()

    def _take_all(self) -> None:
        while (arrival := self._arrivals.get()) is not None:
            try:
                self._take(arrival)
            except Exception as error:
                arrival.responder.fail(as_s1_error(log, "a chunk could not be taken in", error))

    def _take(self, arrival: "_Arrival") -> None:
        chunk = _read_chunk(arrival.request)
        answer = _Answer(arrival.responder, chunk, arrival.parameters.is_base64_wanted)
        if arrival.responder.is_cancelled():
            self._batcher.drop(chunk.stream_id)
            self._bridge.send(AbortOrder(stream_ids=(chunk.stream_id,)))
            answer.send_nothing()
            return
        failure = self._failed.get(chunk.stream_id)
        if failure is not None:
            self._fail(answer, failure)
            return
        self._batcher.submit(chunk, lambda event: self._deliver(answer, event))

    def _deliver(self, answer: "_Answer", event: AudioChunk | StreamFailed) -> None:
        if isinstance(event, AudioChunk):
            answer.send(event.samples)
        elif isinstance(event.error, CancelledError):
            answer.send_nothing()  # it waited while a later chunk showed that the caller left
        else:
            self._failed.add(event.stream_id, event.error)
            self._fail(answer, event.error)

    def _fail(self, answer: "_Answer", error: S1Error) -> None:
        stream_id = answer.chunk.stream_id
        if answer.chunk.is_last:
            # The language model has ended the stream, so the error can only come from here, and may.
            self._failed.remove(stream_id)
            answer.fail(error)
        else:
            self._bridge.send(AbortOrder(stream_ids=(stream_id,), error=error))
            answer.send_nothing()


@dataclass(frozen=True, eq=False)
class _Arrival:
    request: Any
    parameters: Parameters
    responder: Responder


class _Answer:
    """The one answer to a chunk of codes.

    Args:
        responder: Answers the request.
        chunk: The codes.
        is_base64_wanted: Whether the sound is to be sent as base64 too.
    """

    def __init__(self, responder: Responder, chunk: CodesChunk, is_base64_wanted: bool) -> None:
        self.chunk = chunk
        self._responder = responder
        self._is_base64_wanted = is_base64_wanted

    def send(self, samples: Array) -> None:
        """Answer with sound ``[samples]``, 16-bit."""
        encoded = base64.b64encode(samples.tobytes()) if self._is_base64_wanted else b""
        self._responder.send(
            [
                NamedArray(Field.AUDIO, samples[None]),
                scalar(Field.SAMPLE_RATE, SAMPLE_RATE_HZ, "int32"),
                scalar(Field.AUDIO_BASE64, encoded, "object"),
                scalar(Field.CHUNK_INDEX, self.chunk.index, "int32"),
                scalar(Field.IS_LAST, self.chunk.is_last, "bool"),
            ],
            is_final=True,
        )

    def send_nothing(self) -> None:
        """Answer with an empty chunk; the stream is ended elsewhere."""
        self.send(np.empty(0, dtype=np.int16))

    def fail(self, error: S1Error) -> None:
        """Answer with an error."""
        self._responder.fail(error)


def _read_chunk(request: Any) -> CodesChunk:
    tensors = read_tensors(request)
    codes = tensors[Field.CODES]  # [1, num_codebooks, frames]
    if codes.shape[0] != 1:
        raise InvalidArgumentError(Field.CODES, f"got {codes.shape[0]} chunks", "one chunk a request")
    return CodesChunk(
        stream_id=int(tensors[Field.STREAM_ID].item()),
        index=int(tensors[Field.CHUNK_INDEX].item()),
        codes=codes[0],
        is_last=bool(tensors[Field.IS_LAST].item()),
        service=ServiceClass(read_string(tensors, Field.SERVICE)),
    )
