"""An order to stop streams, on its way to the language model or, before they are any, to the voices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from s1_protocol.errors import S1Error
from s1_protocol.names import Field
from s1_tts.wire.arrays import NamedArray, Tensors, bytes_row, scalar
from s1_tts.wire.coded_errors import decode_error, encode_error
from s1_tts.wire.fields import read_elements, read_string, read_strings


@dataclass(frozen=True)
class AbortOrder:
    """Streams to stop.

    Args:
        stream_ids: By the language model's own ids.
        tickets: By the collector's keys.
        error: What their callers get; ``None``: the caller went away.
    """

    stream_ids: tuple[int, ...] = ()
    tickets: tuple[str, ...] = ()
    error: S1Error | None = None

    @staticmethod
    def is_in(tensors: Tensors) -> bool:
        """Whether a request is such an order."""
        return Field.ABORT_STREAM_IDS in tensors or Field.ABORT_TICKETS in tensors

    @classmethod
    def read(cls, tensors: Tensors) -> Self:
        """Read tensors.

        Raises:
            InvalidArgumentError: a field is wrong.
        """
        has_ids, has_tickets = Field.ABORT_STREAM_IDS in tensors, Field.ABORT_TICKETS in tensors
        stream_ids = read_elements(tensors, Field.ABORT_STREAM_IDS) if has_ids else []
        return cls(
            stream_ids=tuple(int(stream_id) for stream_id in stream_ids),
            tickets=tuple(read_strings(tensors, Field.ABORT_TICKETS)) if has_tickets else (),
            error=decode_error(read_string(tensors, Field.ABORT_REASON)) if Field.ABORT_REASON in tensors else None,
        )

    def write(self) -> list[NamedArray]:
        """Make tensors of it."""
        tensors = []
        if self.stream_ids:
            tensors.append(NamedArray(Field.ABORT_STREAM_IDS, np.array([self.stream_ids], dtype=np.uint64)))
        if self.tickets:
            tensors.append(bytes_row(Field.ABORT_TICKETS, [ticket.encode() for ticket in self.tickets]))
        if self.error is not None:
            tensors.append(scalar(Field.ABORT_REASON, encode_error(self.error).encode(), "object"))
        return tensors


def merge(orders: Sequence[AbortOrder]) -> list[AbortOrder]:
    """Make one order of all that give no reason, and keep the first of the others for each stream.

    A stream that fails gives an order with each chunk that still comes, faster than they can be sent.
    """
    plain = [order for order in orders if order.error is None]
    merged = AbortOrder(
        stream_ids=tuple(sorted({stream_id for order in plain for stream_id in order.stream_ids})),
        tickets=tuple(sorted({ticket for order in plain for ticket in order.tickets})),
    )
    reasoned: dict[tuple[tuple[int, ...], tuple[str, ...]], AbortOrder] = {}
    for order in orders:
        if order.error is not None:
            reasoned.setdefault((order.stream_ids, order.tickets), order)
    return [*reasoned.values(), *([merged] if plain else [])]
