"""Adapter of the language model: requests in, chunks of codes out, through the engine's continuous batching.

``execute()`` hands requests to the engine and returns at once. The engine's thread posts chunks to the sender;
tickers look for callers that left, drain the engine before the server stops, and keep the metrics.
"""

import logging
from dataclasses import replace
from typing import Any, ClassVar

from s1_tts.lm.config import LmConfig
from s1_tts.lm.engine import LmEngine
from s1_tts.lm.loading import CONFIG_FILE
from s1_tts.settings import Settings
from s1_tts.speech_task import CodesFormat
from s1_tts.triton.drain import Drain
from s1_tts.triton.info_metrics import InfoMetrics
from s1_tts.triton.life_sign import start_life_sign
from s1_tts.triton.lm_metrics import LmMetrics
from s1_tts.triton.lost_device import end_process
from s1_tts.triton.open_streams import OpenStream, OpenStreams
from s1_tts.triton.sender import Responder, Sender
from s1_tts.triton.start_up import read_config_parameters, set_up_logging, start_up_failures
from s1_tts.triton.ticker import Ticker
from s1_tts.triton.triton_errors import as_s1_error
from s1_tts.triton.triton_requests import Parameters, read_tensors
from s1_tts.triton.unread import PATIENCE_S, UnreadSound
from s1_tts.triton.unread_metrics import UnreadMetrics
from s1_tts.wire.abort_order import AbortOrder
from s1_tts.wire.drain_order import is_drain_order, read_drain_key
from s1_tts.wire.seal import KEY_VARIABLE, Seal
from s1_tts.wire.speech import read_speech

log = logging.getLogger(__name__)

CANCEL_POLL_S = 0.25
"""How often callers are asked whether they are still there; ``is_cancelled()`` is a message to the server process."""

KNOCK_S = 0.3
"""A stream that has sent nothing for so long has the codec look whether its caller is still there."""

KNOCK_POLL_S = 0.1
METRICS_INTERVAL_S = 1.0
DRAIN_POLL_S = 0.1
UNREAD_POLL_S = 0.5


class LlamaModel:
    """The Triton model ``s1_llama``."""

    unread_patience_s: ClassVar[float] = PATIENCE_S

    def initialize(self, args: dict[str, Any]) -> None:
        """Load the engine and start the threads."""
        set_up_logging(args["model_name"])
        with start_up_failures(log):
            settings = Settings.load(read_config_parameters(args["model_config"]))
            log.info("settings: %s", settings.describe())
            self._engine = self.load_engine(settings)
            self._codes_format = self.read_codes_format(settings)
        self._streams = OpenStreams()
        self._sender = Sender()
        self._seal = Seal.of_this_start()
        if self._seal.is_open:
            log.warning("%s is not set: anybody on the ports may ask the inner models", KEY_VARIABLE)
        self._drain = Drain(self._engine, self._streams, settings.drain_s)
        self._info = InfoMetrics(settings, self._engine)
        metrics = LmMetrics(self._engine)
        self._unread = UnreadSound(int(settings.unread_mb * 1e6), self.unread_patience_s)
        unread_metrics = UnreadMetrics(self._unread)
        self._tickers = [
            Ticker("s1-cancel-watch", CANCEL_POLL_S, self._abort_cancelled),
            Ticker("s1-knock", KNOCK_POLL_S, lambda: self._streams.knock(KNOCK_S)),
            Ticker("s1-drain", DRAIN_POLL_S, self._drain.step),
            Ticker("s1-unread", UNREAD_POLL_S, unread_metrics.update),
            Ticker("s1-lm-metrics", METRICS_INTERVAL_S, metrics.update),
        ]
        with start_up_failures(log):
            self._engine.start()
        self._life_sign = start_life_sign([self._engine.rounds], [self._unread.fault])

    def load_engine(self, settings: Settings) -> LmEngine:
        """Load the engine that does the work."""
        return LmEngine.load(settings, on_lost=self._leave)

    def read_codes_format(self, settings: Settings) -> CodesFormat:
        """Read which codes the model takes as a voice."""
        config = LmConfig.read(settings.require_checkpoint() / CONFIG_FILE)
        return CodesFormat(config.num_codebooks, config.codebook_size)

    def execute(self, requests: list[Any]) -> None:
        """Take requests in; never waits."""
        for request in requests:
            parameters = Parameters.of(request)
            responder = Responder(request, self._sender, is_error_coded=parameters.is_error_coded)
            try:
                self._take(request, parameters, responder)
            except Exception as error:
                responder.fail(as_s1_error(log, "a request could not be taken in", error))

    def finalize(self) -> None:
        """Stop the threads in order: first what feeds the sender, then the sender."""
        for ticker in [self._life_sign, *self._tickers]:
            ticker.close()
        self._engine.close()
        self._sender.close()

    def _take(self, request: Any, parameters: Parameters, responder: Responder) -> None:
        tensors = read_tensors(request)
        if is_drain_order(tensors):
            self._drain.begin(read_drain_key(tensors), responder)
            return
        self._seal.check(tensors)
        if AbortOrder.is_in(tensors):
            order = AbortOrder.read(tensors)
            self._engine.abort([*order.stream_ids, *self._streams.ids_of(order.tickets)], order.error)
            responder.finish()
        else:
            self._drain.check_open()
            self._unread.check()
            stream = OpenStream(
                parameters.ticket, responder, self._streams, self._seal, self._codes_format.num_codebooks
            )
            task = replace(read_speech(tensors, self._codes_format), caller=parameters.caller)
            stream_id = self._engine.submit(task, stream.take)
            self._streams.add(stream, stream_id)

    def _leave(self) -> None:
        """End this process, once all that is said has been sent: only a new one can use the device again."""
        end_process(self._sender, log)

    def _abort_cancelled(self) -> None:
        cancelled = self._streams.cancelled()
        if cancelled:
            self._engine.abort(cancelled)
