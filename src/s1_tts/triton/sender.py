"""The one thread of a model that sends responses."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import triton_python_backend_utils as pb_utils

from s1_protocol.errors import S1Error
from s1_tts.triton.triton_errors import to_triton_error
from s1_tts.triton.triton_requests import to_triton
from s1_tts.wire.arrays import NamedArray

log = logging.getLogger(__name__)

EARLIEST_ERROR_S = 0.05
"""No error leaves sooner than this after its request came.

A guard: Triton's gRPC frontend has crashed (24.10, with a model of ten lines too; the source of 26.07 is the same in
these places).
"""


class Sender:
    """Sends responses in the order they are posted, but for those that must wait for their time.

    ``response_sender.send()`` waits for the server process, so the threads that compute never call it: they post
    here. What waits here is bounded by what the engine lets in, streams times chunks.
    """

    def __init__(self) -> None:
        self._letters: SimpleQueue[_Letter | None] = SimpleQueue()
        self._held: list[tuple[float, int, _Letter]] = []
        self._numbers = itertools.count()  # of two held to the same time, the first goes first
        self._thread = threading.Thread(target=self._run, name="s1-sender", daemon=True)
        self._thread.start()

    def post(self, letter: "_Letter") -> None:
        """Queue a response; never waits."""
        self._letters.put(letter)

    def close(self) -> None:
        """Send what is queued, held or not, and stop."""
        self._letters.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            is_open = self._take_next()
            while self._held and (not is_open or self._held[0][0] <= time.monotonic()):
                self._transmit(heapq.heappop(self._held)[-1])

    def _take_next(self) -> bool:
        """Send or hold what comes next, unless one of those held comes first; returns whether more may come.

        Its letter ends with it: one that this thread kept while it waits would keep its request, recording and all.
        """
        try:
            letter = self._letters.get(timeout=self._pause_s())
        except Empty:
            return True
        if letter is None:
            return False
        if letter.earliest_s > time.monotonic():
            heapq.heappush(self._held, (letter.earliest_s, next(self._numbers), letter))
        else:
            self._transmit(letter)
        return True

    def _pause_s(self) -> float | None:
        """Until the first of those held may go; none: nothing is held."""
        return max(self._held[0][0] - time.monotonic(), 0.0) if self._held else None

    @staticmethod
    def _transmit(letter: "_Letter") -> None:
        try:
            letter.responder.transmit(letter)
        except Exception:
            # One response that cannot be sent (its request is gone) must not end the others.
            log.exception("a response could not be sent")


@dataclass(frozen=True, eq=False)
class _Letter:
    responder: "Responder"
    outputs: Sequence[NamedArray] | None
    error: S1Error | None
    is_final: bool
    earliest_s: float = 0.0
    """On ``time.monotonic``."""


class Responder:
    """Answers one decoupled request, with exactly one FINAL flag.

    What is posted after the end is dropped: a stream that was aborted may still have a chunk on its way. Only one
    thread at a time may post; any thread may ask :meth:`is_cancelled`.

    Args:
        request: The Triton request.
        sender: Thread that sends.
        is_error_coded: Whether the messages of errors begin with their code.
    """

    def __init__(self, request: Any, sender: Sender, *, is_error_coded: bool) -> None:
        self._request: Any | None = request
        self._response_sender = request.get_response_sender()
        self._sender = sender
        self._is_error_coded = is_error_coded
        self._earliest_error_s = time.monotonic() + EARLIEST_ERROR_S
        self._has_ended = False
        self._in_server = threading.Lock()

    def send(self, outputs: Sequence[NamedArray], *, is_final: bool) -> None:
        """Send data; the final one carries the FINAL flag."""
        self._post(_Letter(self, outputs, None, is_final))

    def fail(self, error: S1Error) -> None:
        """End the request with an error, though not sooner than ``EARLIEST_ERROR_S`` after it came."""
        self._post(_Letter(self, None, error, is_final=True, earliest_s=self._earliest_error_s))

    def finish(self) -> None:
        """End the request with nothing more to say."""
        self._post(_Letter(self, None, None, is_final=True))

    def is_cancelled(self) -> bool:
        """Whether the caller went away; a message to the server process and back.

        After the FINAL flag the server is not asked again: it no longer knows the request.
        """
        with self._in_server:
            return self._request is not None and bool(self._request.is_cancelled())

    def transmit(self, letter: _Letter) -> None:
        """Send a posted response; for the sender's thread."""
        response = None
        if letter.error is not None:
            error = to_triton_error(letter.error, is_coded=self._is_error_coded)
            response = pb_utils.InferenceResponse(error=error)
        elif letter.outputs is not None:
            response = pb_utils.InferenceResponse(output_tensors=to_triton(letter.outputs))
        if not letter.is_final:
            self._response_sender.send(response)
            return
        with self._in_server:
            try:
                self._send_final(response)
            finally:
                self._request = None  # its tensors would lie in shared memory for as long as anybody knows this

    def _post(self, letter: _Letter) -> None:
        if not self._has_ended:
            self._has_ended = letter.is_final
            self._sender.post(letter)

    def _send_final(self, response: Any | None) -> None:
        flags = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        if response is None:
            self._response_sender.send(flags=flags)
        else:
            self._response_sender.send(response, flags=flags)
