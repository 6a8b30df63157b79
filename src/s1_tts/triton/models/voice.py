"""Adapter of the voices: checks a request for speech, adds the prompts of its voice, and hands it on whole.

``execute()`` hands requests to the service and returns at once; what is found is sent by the sender's thread. So a
slow encode holds up nobody but those who wait for it.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field, VoiceOperation
from s1_tts.settings import Settings
from s1_tts.triton.life_sign import start_life_sign
from s1_tts.triton.sender import Responder, Sender
from s1_tts.triton.start_up import read_config_parameters, set_up_logging, start_up_failures
from s1_tts.triton.ticker import Ticker
from s1_tts.triton.triton_errors import as_s1_error
from s1_tts.triton.triton_requests import Parameters, read_tensors
from s1_tts.triton.voice_metrics import VoiceMetrics
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice_command import VoiceCommand
from s1_tts.wire.arrays import NamedArray, Tensors, scalar
from s1_tts.wire.seal import Seal
from s1_tts.wire.speech import read_speech, write_speech
from s1_tts.wire.voice_fields import is_voice_command, read_voice_ask, read_voice_command

log = logging.getLogger(__name__)

METRICS_INTERVAL_S = 1.0

T = TypeVar("T")


class VoiceModel:
    """The Triton model ``s1_voice``."""

    def initialize(self, args: dict[str, Any]) -> None:
        """Load the encoder, open the store and start the threads."""
        set_up_logging(args["model_name"])
        with start_up_failures(log):
            self._settings = Settings.load(read_config_parameters(args["model_config"]))
            log.info("settings: %s", self._settings.describe())
            self._service = VoiceService.load(self._settings)
        self._sender = Sender()
        self._seal = Seal.of_this_start()
        metrics = VoiceMetrics(self._service)
        self._metrics_ticker = Ticker("s1-voice-metrics", METRICS_INTERVAL_S, metrics.update)
        self._life_sign = start_life_sign()

    def execute(self, requests: list[Any]) -> None:
        """Take requests in; never waits."""
        for request in requests:
            responder = Responder(request, self._sender, is_error_coded=Parameters.of(request).is_error_coded)
            try:
                self._take(read_tensors(request), responder)
            except Exception as error:
                responder.fail(as_s1_error(log, "a request could not be taken in", error))

    def finalize(self) -> None:
        """Stop the threads in order: first what feeds the sender, then the sender."""
        self._life_sign.close()
        self._metrics_ticker.close()
        self._service.close()
        self._sender.close()

    def _take(self, tensors: Tensors, responder: Responder) -> None:
        if is_voice_command(tensors):
            command = read_voice_command(tensors)
            self._check_allowed(command)
            _answer(responder, self._service.run(command), lambda told: [scalar(Field.VOICES, told.encode(), "object")])
            return
        task, ask = read_speech(tensors), read_voice_ask(tensors)
        arrived_s = time.monotonic()
        _answer(
            responder,
            self._service.submit(ask),
            lambda prompts: self._seal.put_on(
                write_speech(task.with_voice(prompts, waited_s=time.monotonic() - arrived_s))
            ),
        )

    def _check_allowed(self, command: VoiceCommand) -> None:
        if command.is_change and not self._settings.voice_changes:
            allowed = f"{VoiceOperation.LIST} and {VoiceOperation.SHOW}: S1_VOICE_CHANGES is off"
            raise InvalidArgumentError(Field.OPERATION, f"got {command.operation.value!r}", allowed)


def _answer(responder: Responder, future: Future[T], write: Callable[[T], list[NamedArray]]) -> None:
    """Answer a request once there is something to answer."""

    def send(done: Future[T]) -> None:
        try:
            responder.send(write(done.result()), is_final=True)
        except Exception as error:
            responder.fail(as_s1_error(log, "a request could not be answered", error))

    future.add_done_callback(send)
