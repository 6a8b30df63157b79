"""Streams that failed in the codec and whose language model does not know it yet."""

import threading
from collections import OrderedDict

from s1_tts.errors import S1Error

MAX_KEPT = 1024
"""Failed streams remembered; most are forgotten only here, since their last chunk never comes."""


class FailedStreams:
    """Errors by stream id, the latest ``MAX_KEPT``; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: OrderedDict[int, S1Error] = OrderedDict()

    def add(self, stream_id: int, error: S1Error) -> None:
        """Remember a failure; the first one of a stream counts."""
        with self._lock:
            self._errors.setdefault(stream_id, error)
            if len(self._errors) > MAX_KEPT:
                self._errors.popitem(last=False)

    def get(self, stream_id: int) -> S1Error | None:
        """Why a stream failed; ``None`` if it did not."""
        with self._lock:
            return self._errors.get(stream_id)

    def remove(self, stream_id: int) -> None:
        """Forget a stream; one that did not fail is passed over."""
        with self._lock:
            self._errors.pop(stream_id, None)
