"""Tell the language model to stop streams that nobody hears any more.

A caller that leaves an ensemble is seen by the codec only, and a caller of the collector by the collector only;
Triton does not tell the step that is running. Both send the language model a request of its own.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Self

import numpy as np
import triton_python_backend_utils as pb_utils

from s1_protocol.errors import S1Error
from s1_protocol.names import Field, ModelName
from s1_tts.triton.errors import decode_error, encode_error
from s1_tts.triton.tensors import Array, NamedArray, bytes_row, scalar

log = logging.getLogger(__name__)

GATHER_S = 0.005
"""Time in which further aborts join the first: many callers often leave at once."""


@dataclass(frozen=True)
class AbortOrder:
    """Streams to stop.

    Args:
        stream_ids: By the language model's own ids.
        tickets: By the collector's keys.
        error: What their callers are told; ``None`` says that the caller went away.
    """

    stream_ids: tuple[int, ...] = ()
    tickets: tuple[str, ...] = ()
    error: S1Error | None = None

    @staticmethod
    def is_in(tensors: Mapping[str, Array]) -> bool:
        """Whether a request to the language model is an abort."""
        return Field.ABORT_STREAM_IDS in tensors or Field.ABORT_TICKETS in tensors

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Array]) -> Self:
        """Read an abort."""
        empty: Sequence[Any] = ()
        stream_ids = tensors[Field.ABORT_STREAM_IDS].reshape(-1) if Field.ABORT_STREAM_IDS in tensors else empty
        tickets = tensors[Field.ABORT_TICKETS].reshape(-1) if Field.ABORT_TICKETS in tensors else empty
        return cls(
            stream_ids=tuple(int(stream_id) for stream_id in stream_ids),
            tickets=tuple(bytes(ticket).decode(errors="replace") for ticket in tickets),
            error=_read_reason(tensors),
        )

    def to_tensors(self) -> list[NamedArray]:
        """Write an abort."""
        tensors = []
        if self.stream_ids:
            tensors.append(NamedArray(Field.ABORT_STREAM_IDS, np.array([self.stream_ids], dtype=np.uint64)))
        if self.tickets:
            tensors.append(bytes_row(Field.ABORT_TICKETS, [ticket.encode() for ticket in self.tickets]))
        if self.error is not None:
            tensors.append(scalar(Field.ABORT_REASON, encode_error(self.error).encode(), "object"))
        return tensors


class AbortBridge:
    """Sends aborts from a thread of its own, many streams in one request.

    One after the other they would hold up whoever sends them: each takes up to the language model's queue delay.
    """

    def __init__(self) -> None:
        self._orders: SimpleQueue[AbortOrder | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="s1-abort-bridge", daemon=True)
        self._thread.start()

    def send(self, order: AbortOrder) -> None:
        """Queue an abort; never waits. Streams that have ended already are passed over at the other end."""
        self._orders.put(order)

    def close(self) -> None:
        """Send what is queued and stop."""
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            orders = [self._orders.get()]
            deadline_s = time.monotonic() + GATHER_S
            while orders[-1] is not None:
                try:
                    orders.append(self._orders.get(timeout=max(0.0, deadline_s - time.monotonic())))
                except Empty:
                    break
            is_open = orders[-1] is not None
            for order in merge([order for order in orders if order is not None]):
                _deliver(order)


def merge(orders: Sequence[AbortOrder]) -> list[AbortOrder]:
    """Make one order of all that give no reason, and keep the others."""
    plain = [order for order in orders if order.error is None]
    merged = AbortOrder(
        stream_ids=tuple(sorted({stream_id for order in plain for stream_id in order.stream_ids})),
        tickets=tuple(sorted({ticket for order in plain for ticket in order.tickets})),
    )
    reasoned = [order for order in orders if order.error is not None]
    return [*reasoned, *([merged] if plain else [])]


def _deliver(order: AbortOrder) -> None:
    request = pb_utils.InferenceRequest(
        model_name=ModelName.LLAMA,
        requested_output_names=[Field.STREAM_ID],
        inputs=[tensor.to_triton() for tensor in order.to_tensors()],
    )
    try:
        for response in request.exec(decoupled=True):
            if response.has_error():
                log.warning("an abort was not taken: %s", response.error().message())
    except Exception:
        # While the server shuts down the language model may be gone, and its streams with it.
        log.warning("an abort could not be sent", exc_info=True)


def _read_reason(tensors: Mapping[str, Array]) -> S1Error | None:
    if Field.ABORT_REASON not in tensors:
        return None
    return decode_error(bytes(tensors[Field.ABORT_REASON].reshape(-1)[0]).decode(errors="replace"))
