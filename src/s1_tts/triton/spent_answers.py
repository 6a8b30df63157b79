"""Answers of other models that have been read, kept until Triton's own thread has let go of them.

The iterator that a request to a decoupled model gives belongs to Python and to a thread of the model process that
forgets it some time after its last response. If that thread is the last to hold it, it destroys Python's objects
without Python's lock, and the process crashes sooner or later (python_backend r24.10, ``Stub::SendCleanupId``; the
source of June 2026 is the same there). So Python has to be the last.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

MOST_KEPT = 64
"""Beyond it the oldest is let go: by then the other thread has long done so."""


class SpentAnswers:
    """Iterators of answers that are being read or have been; used by one thread."""

    def __init__(self) -> None:
        self._kept: deque[Any] = deque(maxlen=MOST_KEPT)

    def read(self, request: Any) -> Iterator[Any]:
        """Ask a decoupled model.

        Args:
            request: A request to another model.

        Returns:
            Its responses. The iterator is kept until :meth:`let_go`, or until many more have been read.
        """
        answers: Iterator[Any] = request.exec(decoupled=True)
        self._kept.append(answers)
        return answers

    def let_go(self) -> None:
        """Forget all that was read to its end before a message to the server process, whose answer has come since.

        Such messages pass through the other thread one after the other, after what it had to forget.
        """
        self._kept.clear()
