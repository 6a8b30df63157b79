"""The streams that a language model adapter has open, and who asked for them."""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from s1_protocol.errors import S1Error
from s1_tts.stream_events import KNOCK, CodesChunk, StreamFailed
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
        num_codebooks: Rows of the codes.
    """

    def __init__(
        self, ticket: str, responder: Responder, registry: "OpenStreams", seal: Seal, num_codebooks: int
    ) -> None:
        self.ticket = ticket
        self.has_ended = False
        self.responder = responder
        self._registry = registry
        self._seal = seal
        self._no_codes = np.empty((num_codebooks, 0), dtype=np.int32)
        self._sending = threading.Lock()  # the engine's thread sends chunks, another one knocks
        self._last_sent: CodesChunk | None = None
        self._sent_s = time.monotonic()

    def take(self, event: CodesChunk | StreamFailed) -> None:
        """Pass an event of the engine on; never waits."""
        with self._sending:
            if isinstance(event, CodesChunk):
                self._send(event)
            elif self._last_sent is None:
                self.responder.fail(event.error)
            else:
                self._send(_end_after(self._last_sent), event.error)
            if isinstance(event, StreamFailed) or event.is_last:
                self._registry.remove(self, event.stream_id)

    def knock(self, stream_id: int, silence_s: float) -> None:
        """Have the codec look whether the caller is still there, if it has seen nothing for so long.

        An ensemble does not tell its running step that the caller left; the next step sees it when it gets something.
        A caller of the collector is watched there.
        """
        with self._sending:
            if not self.ticket and not self.has_ended and time.monotonic() - self._sent_s >= silence_s:
                self._send(CodesChunk(stream_id, KNOCK, self._no_codes, is_last=False))

    def _send(self, chunk: CodesChunk, error: S1Error | None = None) -> None:
        self._sent_s = time.monotonic()
        if not chunk.is_knock or self._last_sent is None:
            self._last_sent = chunk
        self.responder.send(self._seal.put_on(CodesMessage(chunk, error).write()), is_final=chunk.is_last)


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
        return [stream_id for stream_id, stream in self._all() if stream.responder.is_cancelled()]

    def knock(self, silence_s: float) -> None:
        """Let each open stream that has sent nothing for so long send a knock."""
        for stream_id, stream in self._all():
            stream.knock(stream_id, silence_s)

    def _all(self) -> list[tuple[int, OpenStream]]:
        with self._lock:
            return list(self._by_id.items())


def _end_after(chunk: CodesChunk) -> CodesChunk:
    """The last chunk of a stream that fails after this one; the codec may be at work on it, so no error may be sent."""
    return replace(chunk, index=chunk.index + 1, codes=chunk.codes[:, :0], is_last=True)
