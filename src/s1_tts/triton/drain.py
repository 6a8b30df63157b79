"""Let open streams come to their end before the server is stopped.

Once Triton itself stops, it takes no more steps of ensembles: every open stream would break at its next chunk. So
the process that is about to stop it orders a drain first, with a key that only the two know.
"""

import hmac
import os
import time

from s1_protocol.errors import InvalidArgumentError, UnavailableError
from s1_protocol.names import Field
from s1_tts.lm.engine import LmEngine
from s1_tts.triton.open_streams import OpenStreams
from s1_tts.triton.sender import Responder
from s1_tts.wire.drain_order import KEY_VARIABLE


class Drain:
    """Ends the streams of a language model adapter; :meth:`step` is called every so often.

    Args:
        engine: The engine.
        streams: Its open streams.
        drain_s: They have this long to end by themselves; then they end with UNAVAILABLE.
    """

    def __init__(self, engine: LmEngine, streams: OpenStreams, drain_s: float) -> None:
        self._key = os.environ.get(KEY_VARIABLE)
        self._engine = engine
        self._streams = streams
        self._drain_s = drain_s
        self._waiting: list[Responder] = []
        self._deadline_s: float | None = None

    def begin(self, key: str, responder: Responder) -> None:
        """Take no more streams.

        Args:
            key: What the order came with.
            responder: Answers the order once no stream is open.

        Raises:
            InvalidArgumentError: it is not this server's key.
        """
        if self._key is None or not hmac.compare_digest(key.encode(), self._key.encode()):
            raise InvalidArgumentError(Field.DRAIN, "is not this server's key", "what its launcher gave it")
        self._deadline_s = self._deadline_s or time.monotonic() + self._drain_s
        self._waiting.append(responder)

    def check_open(self) -> None:
        """Refuse a new stream if the drain has begun.

        Raises:
            UnavailableError: it has.
        """
        if self._deadline_s is not None:
            raise UnavailableError("the server is shutting down")

    def step(self) -> None:
        """End what has had its time, and answer the order when nothing is left."""
        if self._deadline_s is None:
            return
        open_ids = self._streams.ids()
        if open_ids and time.monotonic() >= self._deadline_s:
            self._engine.abort(open_ids, UnavailableError("the server is shutting down"))
        while self._waiting and not open_ids:
            self._waiting.pop().finish()
