"""Adapter of the voices: checks a request for speech, adds the prompts of its voice, and hands it on whole.

``execute()`` hands requests to the service and returns at once; what is found is sent by the sender's thread. So a
slow encode holds up nobody but those who wait for it.
"""

import logging
import time
from typing import Any

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.misspelt import check_no_option_among
from s1_protocol.names import Field, VoiceOperation
from s1_tts.settings import Settings
from s1_tts.triton.life_sign import start_life_sign
from s1_tts.triton.sender import Responder, Sender
from s1_tts.triton.start_up import read_config_parameters, set_up_logging, start_up_failures
from s1_tts.triton.ticker import Ticker
from s1_tts.triton.triton_errors import as_s1_error
from s1_tts.triton.triton_requests import Parameters, read_tensors
from s1_tts.triton.voice_metrics import VoiceMetrics
from s1_tts.triton.voice_waits import VoiceWaits
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice_command import VoiceCommand
from s1_tts.wire.abort_order import AbortOrder
from s1_tts.wire.arrays import Tensors, scalar
from s1_tts.wire.fields import read_string
from s1_tts.wire.seal import Seal
from s1_tts.wire.speech import read_speech, write_speech
from s1_tts.wire.voice_fields import is_voice_command, read_voice_ask, read_voice_command

log = logging.getLogger(__name__)

METRICS_INTERVAL_S = 1.0


class VoiceModel:
    """The Triton model ``s1_voice``."""

    def initialize(self, args: dict[str, Any]) -> None:
        """Load the encoder, open the store and start the threads."""
        set_up_logging(args["model_name"])
        with start_up_failures(log):
            self._settings = Settings.load(read_config_parameters(args["model_config"]))
            log.info("settings: %s", self._settings.describe())
            self._service = self.load_service(self._settings)
        self._sender = Sender()
        self._seal = Seal.of_this_start()
        self._waits = VoiceWaits()
        metrics = VoiceMetrics(self._service)
        self._metrics_ticker = Ticker("s1-voice-metrics", METRICS_INTERVAL_S, metrics.update)
        self._life_sign = start_life_sign()

    def load_service(self, settings: Settings) -> VoiceService:
        """Load what finds and encodes voices."""
        return VoiceService.load(settings)

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
        self._life_sign.close()
        self._metrics_ticker.close()
        self._service.close()
        self._waits.close()
        self._sender.close()

    def _take(self, request: Any, parameters: Parameters, responder: Responder) -> None:
        tensors = read_tensors(request)
        if Field.VOICE_KNOCK in tensors:
            self._waits.returned(responder, read_string(tensors, Field.VOICE_KNOCK))
        elif AbortOrder.is_in(tensors):
            self._seal.check(tensors)
            self._waits.abort(AbortOrder.read(tensors).tickets)
            responder.finish()
        elif is_voice_command(tensors):
            self._command(read_voice_command(tensors), responder)
        else:
            # the ensemble wants nothing but the knock
            goes_round = list(request.requested_output_names()) == [Field.VOICE_KNOCK]
            self._find(tensors, parameters, responder, goes_round=goes_round)

    def _command(self, command: VoiceCommand, responder: Responder) -> None:
        self._check_allowed(command)
        self._waits.enter(
            responder,
            self._service.run(command),
            lambda told: [scalar(Field.VOICES, told.encode(), "object")],
        )

    def _find(self, tensors: Tensors, parameters: Parameters, responder: Responder, *, goes_round: bool) -> None:
        check_no_option_among(parameters.others)
        task, ask = read_speech(tensors), read_voice_ask(tensors)
        arrived_s = time.monotonic()
        self._waits.enter(
            responder,
            self._service.submit(ask),
            lambda prompts: self._seal.put_on(
                write_speech(task.with_voice(prompts, waited_s=time.monotonic() - arrived_s))
            ),
            ticket=parameters.ticket,
            goes_round=goes_round,
        )

    def _check_allowed(self, command: VoiceCommand) -> None:
        if command.is_change and not self._settings.voice_changes:
            allowed = f"{VoiceOperation.LIST} and {VoiceOperation.SHOW}: S1_VOICE_CHANGES is off"
            raise InvalidArgumentError(Field.OPERATION, f"got {command.operation.value!r}", allowed)
