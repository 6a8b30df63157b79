"""Adapter of the language model: requests in, chunks of codes out, through the engine's continuous batching.

``execute()`` hands requests to the engine and returns at once. The engine's thread posts chunks to the sender;
tickers look for callers that left, for the server's end, and keep the metrics.
"""

import logging
import time
from typing import Any

import triton_python_backend_utils as pb_utils

from s1_tts.errors import UnavailableError
from s1_tts.lm.engine import LmEngine
from s1_tts.protocol import ModelName
from s1_tts.request import SpeechRequest
from s1_tts.settings import Settings
from s1_tts.triton.abort import AbortOrder
from s1_tts.triton.errors import as_s1_error
from s1_tts.triton.lm_metrics import LmMetrics
from s1_tts.triton.model import read_config_parameters, set_up_logging, start_up_failures
from s1_tts.triton.open_streams import OpenStream, OpenStreams
from s1_tts.triton.sender import Responder, Sender
from s1_tts.triton.tensors import Parameters, read_tensors
from s1_tts.triton.ticker import Ticker

log = logging.getLogger(__name__)

CANCEL_POLL_S = 0.1
"""How often callers are asked whether they are still there; ``is_cancelled()`` is a message to the server process."""

METRICS_INTERVAL_S = 1.0
READY_POLL_S = 0.5

DRAIN_S = 3.0
"""Once the server stops, streams have this long to end by themselves; then they end with UNAVAILABLE."""


class LlamaModel:
    """The Triton model ``s1_llama``."""

    def initialize(self, args: dict[str, Any]) -> None:
        """Load the engine and start the threads."""
        set_up_logging(args["model_name"])
        with start_up_failures(log):
            settings = Settings.load(read_config_parameters(args["model_config"]))
            log.info("settings: %s", settings.describe())
            self._engine = self.load_engine(settings)
        self._streams = OpenStreams()
        self._sender = Sender()
        self._drain = _Drain()
        metrics = LmMetrics(self._engine)
        self._tickers = [
            Ticker("s1-cancel-watch", CANCEL_POLL_S, self._abort_cancelled),
            Ticker("s1-drain", READY_POLL_S, self._end_streams_of_stopping_server),
            Ticker("s1-lm-metrics", METRICS_INTERVAL_S, metrics.update),
        ]
        self._engine.start()

    def load_engine(self, settings: Settings) -> LmEngine:
        """Load the engine that does the work."""
        return LmEngine.load(settings)

    def execute(self, requests: list[Any]) -> None:
        """Take requests in; never waits."""
        for request in requests:
            parameters = Parameters.of(request)
            responder = Responder(request, self._sender, is_error_coded=parameters.is_from_collector)
            try:
                self._take(request, parameters, responder)
            except Exception as error:
                responder.fail(as_s1_error(log, "a request could not be taken in", error))

    def finalize(self) -> None:
        """Stop the threads in order: first what feeds the sender, then the sender."""
        for ticker in self._tickers:
            ticker.close()
        self._engine.close()
        self._sender.close()

    def _take(self, request: Any, parameters: Parameters, responder: Responder) -> None:
        tensors = read_tensors(request)
        if AbortOrder.is_in(tensors):
            order = AbortOrder.from_tensors(tensors)
            self._engine.abort([*order.stream_ids, *self._streams.ids_of(order.tickets)], order.error)
            responder.finish()
            return
        speech = SpeechRequest.from_tensors(tensors)
        stream = OpenStream(parameters.ticket, responder, self._streams)
        self._streams.add(stream, stream_id=self._engine.submit(speech, stream.take))

    def _abort_cancelled(self) -> None:
        cancelled = self._streams.cancelled()
        if cancelled:
            self._engine.abort(cancelled)

    def _end_streams_of_stopping_server(self) -> None:
        if self._streams.ids() and self._drain.is_over(time.monotonic()):
            self._engine.abort(self._streams.ids(), UnavailableError("the server is shutting down"))


class _Drain:
    """Notices that the server stops, of which a model is told only after its last request has ended."""

    def __init__(self) -> None:
        self._was_ready = False
        self._stopping_since_s: float | None = None

    def is_over(self, now_s: float) -> bool:
        """Whether the server has been stopping for so long that streams must end."""
        is_ready = pb_utils.is_model_ready(ModelName.LLAMA)
        self._was_ready |= is_ready
        if is_ready or not self._was_ready:
            self._stopping_since_s = None
            return False
        if self._stopping_since_s is None:
            self._stopping_since_s = now_s
        return now_s - self._stopping_since_s >= DRAIN_S
