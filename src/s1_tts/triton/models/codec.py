"""Adapter of the codec: chunks of codes in, chunks of sound out, through the engine's micro-batcher.

A caller that left is seen here first, since Triton does not tell the language model's step, which is running. A
chunk of such a stream, or of one that failed, is answered with an empty chunk, and the language model gets an abort; it
ends the stream with a last chunk, whose answer is the error.
"""

import logging
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from s1_protocol.errors import CancelledError, S1Error
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.settings import Settings
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed
from s1_tts.triton.abort_bridge import AbortBridge
from s1_tts.triton.codec_metrics import CodecMetrics
from s1_tts.triton.life_sign import start_life_sign
from s1_tts.triton.lost_device import end_process
from s1_tts.triton.owed_answers import OwedAnswers
from s1_tts.triton.sender import Responder, Sender
from s1_tts.triton.start_up import read_config_parameters, set_up_logging, start_up_failures
from s1_tts.triton.ticker import Ticker
from s1_tts.triton.triton_errors import as_s1_error
from s1_tts.triton.triton_requests import Parameters, read_tensors
from s1_tts.wire.abort_order import AbortOrder
from s1_tts.wire.codes_message import CodesMessage
from s1_tts.wire.seal import Seal
from s1_tts.wire.sound_message import SILENCE, SoundMessage

log = logging.getLogger(__name__)

METRICS_INTERVAL_S = 0.2
"""Short, because a server that is stopped waits for what the gauges say."""


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
        self._seal = Seal.of_this_start()
        self._bridge = AbortBridge(self._seal)
        self._streams = OwedAnswers()
        self._arrivals: SimpleQueue[_Arrival | None] = SimpleQueue()
        self._intake = threading.Thread(target=self._take_all, name="s1-codec-intake", daemon=True)
        metrics = CodecMetrics(self._batcher)
        self._metrics_ticker = Ticker("s1-codec-metrics", METRICS_INTERVAL_S, metrics.update)
        with start_up_failures(log):
            self._batcher.start()
        self._intake.start()
        self._life_sign = start_life_sign([self._batcher.rounds])

    def load_batcher(self, settings: Settings) -> CodecBatcher:
        """Load the engine that does the work."""
        return CodecBatcher.load(settings, on_lost=self._leave)

    def execute(self, requests: list[Any]) -> None:
        """Take chunks in; never waits, not even for the answer whether the caller is still there."""
        for request in requests:
            parameters = Parameters.of(request)
            responder = Responder(request, self._sender, is_error_coded=parameters.is_error_coded)
            self._arrivals.put(_Arrival(request, parameters, responder))

    def finalize(self) -> None:
        """Stop the threads in order: each before the one it feeds."""
        self._life_sign.close()
        self._metrics_ticker.close()
        self._arrivals.put(None)
        self._intake.join()
        self._batcher.close()
        self._bridge.close()
        self._sender.close()

    def _leave(self) -> None:
        """End this process, once all that is said has been sent: only a new one can use the device again."""
        end_process(self._sender, log)

    def _take_all(self) -> None:
        while (arrival := self._arrivals.get()) is not None:
            try:
                self._take(arrival)
            except Exception as error:
                arrival.responder.fail(as_s1_error(log, "a chunk could not be taken in", error))

    def _take(self, arrival: "_Arrival") -> None:
        tensors = read_tensors(arrival.request)
        self._seal.check(tensors)
        message = CodesMessage.read(tensors)
        chunk = message.chunk
        answer = _Answer(arrival.responder, chunk, arrival.parameters)
        failure = self._streams.expect(chunk)
        if message.error is not None:
            self._batcher.abort(chunk.stream_id)
            self._fail(answer, message.error)
        elif arrival.responder.is_cancelled():
            self._batcher.abort(chunk.stream_id)
            self._bridge.abort(AbortOrder(stream_ids=(chunk.stream_id,)))
            self._streams.settle(chunk, answer.finish if chunk.is_knock else answer.send_nothing)
        elif chunk.is_knock:
            self._streams.settle(chunk, answer.finish)
        elif failure is not None:
            self._fail(answer, failure)
        else:
            self._batcher.submit(chunk, lambda event: self._deliver(answer, event))

    def _deliver(self, answer: "_Answer", event: DecodedChunk | StreamFailed) -> None:
        if isinstance(event, DecodedChunk):
            samples = event.samples
            self._streams.settle(answer.chunk, lambda: answer.send(samples))
        elif isinstance(event.error, CancelledError):
            # It waited while a later chunk showed that the caller left.
            self._streams.settle(answer.chunk, answer.send_nothing)
        else:
            self._fail(answer, event.error)

    def _fail(self, answer: "_Answer", error: S1Error) -> None:
        chunk = answer.chunk
        first = self._streams.fail(chunk.stream_id, error)
        if chunk.is_last:
            self._streams.settle(chunk, lambda: answer.fail(first))
        else:
            self._bridge.abort(AbortOrder(stream_ids=(chunk.stream_id,), error=first))
            self._streams.settle(chunk, answer.send_nothing)


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
        parameters: What the caller asks for.
    """

    def __init__(self, responder: Responder, chunk: CodesChunk, parameters: Parameters) -> None:
        self.chunk = chunk
        self._responder = responder
        self._parameters = parameters

    def send(self, samples: npt.NDArray[np.int16], error: S1Error | None = None) -> None:
        """Answer with sound ``[samples]``."""
        message = SoundMessage(samples, self.chunk.index, self.chunk.is_last, self.chunk.is_cut, error)
        self._responder.send(message.write(is_base64_wanted=self._parameters.is_base64_wanted), is_final=True)

    def send_nothing(self) -> None:
        """Answer with an empty chunk; the stream is ended elsewhere."""
        self.send(SILENCE)

    def finish(self) -> None:
        """Answer with nothing at all; the caller does not see it."""
        self._responder.finish()

    def fail(self, error: S1Error) -> None:
        """Answer with an error; the collector gets it as a message."""
        if self._parameters.is_from_collector:
            self.send(SILENCE, error)
        else:
            self._responder.fail(error)
