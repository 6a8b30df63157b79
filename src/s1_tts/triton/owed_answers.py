"""Which chunks of each stream the codec still owes an answer, so that a stream's last answer is its last."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from s1_protocol.errors import S1Error
from s1_tts.stream_events import CodesChunk

MAX_STREAMS = 4096
"""Streams remembered; the oldest give way. Each ends with its last chunk unless its language model crashed."""


@dataclass
class _Stream:
    num_owed: int = 0
    failure: S1Error | None = None
    post_last: Callable[[], None] | None = None


class OwedAnswers:
    """Streams by id; used by the intake's and the decoder's threads.

    An ensemble that gets an error while any of its steps still runs never ends (24.10), or tells its caller only when
    the language model is done and sends the codec nothing more, so that nobody can stop the language model (26.07).
    Errors therefore go only with a stream's last chunk, and the answer to that one waits for all others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: OrderedDict[int, _Stream] = OrderedDict()

    def expect(self, chunk: CodesChunk) -> S1Error | None:
        """Note that a chunk came.

        Returns:
            Why its stream has failed, if it has.
        """
        with self._lock:
            stream = self._streams.setdefault(chunk.stream_id, _Stream())
            stream.num_owed += 1
            if len(self._streams) > MAX_STREAMS:
                self._streams.popitem(last=False)
            return stream.failure

    def fail(self, stream_id: int, error: S1Error) -> S1Error:
        """Note that a stream failed; gives the first failure, which is the one that counts."""
        with self._lock:
            stream = self._streams.get(stream_id)
            if stream is None:
                return error
            stream.failure = stream.failure or error
            return stream.failure

    def settle(self, chunk: CodesChunk, post: Callable[[], None]) -> None:
        """Answer a chunk.

        Args:
            chunk: The chunk.
            post: Posts the answer to the sender; held back for a last chunk until all others have theirs.
        """
        with self._lock:
            stream = self._streams.get(chunk.stream_id)
            if stream is None:
                post()
                return
            stream.num_owed -= 1
            if chunk.is_last:
                stream.post_last = post
            else:
                post()
            if stream.num_owed == 0 and stream.post_last is not None:
                stream.post_last()
                del self._streams[chunk.stream_id]
