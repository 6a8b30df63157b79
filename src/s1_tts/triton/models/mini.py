"""Adapter of ``s1_mini``: collects the stream of ``s1_mini_stream`` into one answer.

It holds its instance for the whole utterance, so it runs in many processes and imports nothing heavy.
"""

import io
import logging
import secrets
import threading
import wave
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from s1_protocol.errors import CancelledError, S1Error
from s1_protocol.names import Field, ModelName, Parameter
from s1_protocol.request_options import ONE_ANSWER_CHUNK_FRAMES
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.triton.abort_bridge import AbortBridge
from s1_tts.triton.life_sign import start_life_sign
from s1_tts.triton.spent_answers import SpentAnswers
from s1_tts.triton.start_up import set_up_logging
from s1_tts.triton.ticker import Ticker
from s1_tts.triton.triton_errors import as_s1_error, from_triton_error, to_triton_error
from s1_tts.triton.triton_requests import Parameters, read_outputs, read_parameters, read_tensors, to_triton
from s1_tts.wire.abort_order import AbortOrder
from s1_tts.wire.arrays import Array
from s1_tts.wire.seal import Seal
from s1_tts.wire.sound_message import SoundMessage, write_answer

log = logging.getLogger(__name__)

CANCEL_POLL_S = 0.2


class CollectorModel:
    """The Triton model ``s1_mini``."""

    def initialize(self, args: dict[str, Any]) -> None:
        """Start the threads."""
        set_up_logging(args["model_name"])
        self._bridge = AbortBridge(Seal.of_this_start(), (ModelName.VOICE, ModelName.LLAMA))
        self._current: _Collection | None = None
        self._spent = SpentAnswers()
        self._current_lock = threading.Lock()
        self._ticker = Ticker("s1-cancel-watch", CANCEL_POLL_S, self._abort_if_cancelled)
        self._life_sign = start_life_sign()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer requests one after the other; waits for each, which is why there are many instances."""
        return [self._answer(request) for request in requests]

    def finalize(self) -> None:
        """Stop the threads."""
        self._life_sign.close()
        self._ticker.close()
        self._bridge.close()

    def _answer(self, request: Any) -> Any:
        try:
            collection = _Collection(request, self._spent)
            self._set_current(collection)
            samples, is_cut = collection.collect()
            wav = to_wav(samples) if Parameters.of(request).is_base64_wanted else b""
            return pb_utils.InferenceResponse(output_tensors=to_triton(write_answer(samples, wav, is_cut=is_cut)))
        except Exception as error:
            told = as_s1_error(log, "a request could not be answered", error)
            return pb_utils.InferenceResponse(error=to_triton_error(told))
        finally:
            self._set_current(None)
            if not request.is_cancelled():  # a message; what is known to be cancelled is not asked about again
                self._spent.let_go()

    def _set_current(self, collection: "_Collection | None") -> None:
        with self._current_lock:
            self._current = collection

    def _abort_if_cancelled(self) -> None:
        with self._current_lock:  # once the request is answered, the server must not be asked about it
            current = self._current
            is_cancelled = current is not None and current.is_cancelled()
        if current is not None and is_cancelled:
            # Said again at each look: the request may have been between two models the last time.
            self._bridge.abort(AbortOrder(tickets=(current.ticket,)))


class _Collection:
    """One request and the stream made for it.

    Args:
        request: The caller's request.
        spent: Keeps what has been read of the stream.
    """

    def __init__(self, request: Any, spent: SpentAnswers) -> None:
        self.ticket = secrets.token_hex(16)
        self._request = request
        self._spent = spent

    def is_cancelled(self) -> bool:
        """Whether the caller went away; a message to the server process."""
        return bool(self._request.is_cancelled())

    def collect(self) -> tuple[Array, bool]:
        """Run the stream to its end.

        Returns:
            Samples ``[samples]``, 16-bit, and whether not all of the text was said.

        Raises:
            S1Error: the stream's own error, or the caller went away.
            RuntimeError: a chunk is missing.
        """
        parts: list[Array] = []
        error: S1Error | None = None
        is_complete = is_cut = has_gap = False
        for response in self._spent.read(self._stream_request()):
            if response.has_error():
                raise from_triton_error(response.error())
            outputs = read_outputs(response)
            if Field.AUDIO in outputs:  # the end of a stream may come as a response without tensors
                message = SoundMessage.read(outputs)
                error = error or message.error  # the stream is read to its end: its last response may be on the way
                has_gap = has_gap or message.index != len(parts)
                parts.append(message.samples)
                is_complete, is_cut = message.is_last, message.is_cut
        if error is not None:
            raise error
        if has_gap:
            raise RuntimeError("a chunk of the stream is missing")
        if not is_complete:
            raise CancelledError("the stream was ended before its last chunk")
        return np.concatenate(parts), is_cut

    def _stream_request(self) -> Any:
        tensors = read_tensors(self._request)
        num_texts = next(iter(tensors.values())).shape[0]  # more than one is refused further on, as all bad input is
        tensors.setdefault(Field.CHUNK_FRAMES, np.full((num_texts, 1), ONE_ANSWER_CHUNK_FRAMES, dtype=np.int32))
        parameters = {
            **{name: _passable(value) for name, value in read_parameters(self._request).items()},
            Parameter.TICKET.value: self.ticket,
            Parameter.AUDIO_BASE64.value: False,  # the whole is encoded here; its pieces need not be
        }
        return pb_utils.InferenceRequest(
            model_name=ModelName.STREAM,
            requested_output_names=[Field.AUDIO, Field.CHUNK_INDEX, Field.IS_LAST, Field.IS_CUT, Field.STREAM_ERROR],
            inputs=[pb_utils.Tensor(name, values) for name, values in tensors.items()],
            parameters=parameters,
        )


def _passable(value: str | int | bool | float) -> str | int | bool:
    """A parameter for another model; Python's API takes no decimals there (24.10)."""
    return str(value) if isinstance(value, float) else value


def to_wav(samples: Array) -> bytes:
    """Make a WAV file of mono 16-bit samples ``[samples]``."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
