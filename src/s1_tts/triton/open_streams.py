"""The streams that a language model adapter has open, and who asked for them."""

import threading
from collections.abc import Iterable
from dataclasses import replace

from s1_protocol.errors import S1Error
from s1_tts.stream_events import CodesChunk, StreamFailed
from s1_tts.triton.sender import Responder
from s1_tts.wire.codes_message import CodesMessage
from s1_tts.wire.seal import Seal


class OpenStream:
    """One stream on its way to its caller; :meth:`take` is its sink.

    Args:
        ticket: The collector's key, or empty.
        responder: Answers the request.
        registry: Where the stream is entered while it is open.
        seal: Put on all that goes to the codec.
    """

    def __init__(self, ticket: str, responder: Responder, registry: "OpenStreams", seal: Seal) -> None:
        self.ticket = ticket
        self.has_ended = False
        self.responder = responder
        self._registry = registry
        self._seal = seal
        self._last_chunk: CodesChunk | None = None

    def take(self, event: CodesChunk | StreamFailed) -> None:
        """Pass an event of the engine on; never waits."""
        if isinstance(event, CodesChunk):
            self._send(CodesMessage(event))
            self._last_chunk = event
        elif self._last_chunk is None:
            self.responder.fail(event.error)
        else:
            self._send(_failed_after(self._last_chunk, event.error))
        if isinstance(event, StreamFailed) or event.is_last:
            self._registry.remove(self, event.stream_id)

    def _send(self, message: CodesMessage) -> None:
        self.responder.send(self._seal.put_on(message.write()), is_final=message.chunk.is_last)


class OpenStreams:
    """Streams by the engine's id and by ticket; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[int, OpenStream] = {}
        self._ids_by_ticket: dict[str, set[int]] = {}

    def add(self, stream: OpenStream, stream_id: int) -> None:
        """Enter a stream, unless it has ended: the engine may be faster than the thread that submitted it."""
        with self._lock:
            if stream.has_ended:
                return
            self._by_id[stream_id] = stream
            if stream.ticket:
                self._ids_by_ticket.setdefault(stream.ticket, set()).add(stream_id)

    def remove(self, stream: OpenStream, stream_id: int) -> None:
        """Mark a stream as ended and forget it."""
        with self._lock:
            stream.has_ended = True
            self._by_id.pop(stream_id, None)
            ids = self._ids_by_ticket.get(stream.ticket)
            if ids is not None:
                ids.discard(stream_id)
                if not ids:
                    del self._ids_by_ticket[stream.ticket]

    def ids(self) -> list[int]:
        """Ids of all open streams."""
        with self._lock:
            return list(self._by_id)

    def ids_of(self, tickets: Iterable[str]) -> list[int]:
        """Ids of the open streams of some tickets."""
        with self._lock:
            return [stream_id for ticket in tickets for stream_id in self._ids_by_ticket.get(ticket, ())]

    def cancelled(self) -> list[int]:
        """Ids of the open streams whose callers went away; asks the server process about each one."""
        with self._lock:
            open_streams = list(self._by_id.items())
        return [stream_id for stream_id, stream in open_streams if stream.responder.is_cancelled()]


def _failed_after(chunk: CodesChunk, error: S1Error) -> CodesMessage:
    last = replace(chunk, index=chunk.index + 1, codes=chunk.codes[:, :0], is_last=True)
    return CodesMessage(last, error)
