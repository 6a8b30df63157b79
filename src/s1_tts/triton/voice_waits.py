"""Callers who wait for a voice: one who leaves frees the place, and work for it that has not begun is dropped.

Who asks directly is asked about directly. A collector sends an abort with its ticket. Of others, an ensemble does not
tell its running step that the caller left, but a step that begins can see it: so a knock is sent round, as a response
that the ensemble hands to a step of its own, which is this model once more. The last knock of a request fetches all
that was found: an ensemble wants each step to give something, and lets the next one have it of one step only.
"""

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from s1_protocol.errors import CancelledError
from s1_protocol.names import Field
from s1_tts.triton.sender import Responder
from s1_tts.triton.triton_errors import as_s1_error
from s1_tts.wire.arrays import NamedArray, scalar

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""How often it is looked whether callers are still there; what takes less than this is not looked at."""

MOST_PASSES = 1024
"""Answers that wait for their last knock, which is under way. Of more the oldest are of callers who fetch none."""

LOST_KNOCK_S = 5.0
"""A knock that has not come back by then will not: another one may go, and an answer waits for it no longer."""

Write = Callable[[Any], list[NamedArray]]


@dataclass(eq=False)
class _Wait:
    """A caller who waits.

    Args:
        key: Of its knocks.
        ticket: The collector's key, or empty.
        goes_round: Whether it came by way of the ensemble, so that knocks come back.
        responder: Answers the request.
        future: What is waited for.
        write: Makes tensors of it.
        looked_s: When it was last looked whether the caller is there, on ``time.monotonic``.
        knocked_s: When the knock left that is under way; none: no knock is.
        is_done: Whether it has what it waited for. The answer is held back while a knock is under way: an ensemble that
            gets an error beside it never ends (24.10).
    """

    key: str
    ticket: str
    goes_round: bool
    responder: Responder
    future: Future[Any]
    write: Write
    looked_s: float = field(default_factory=time.monotonic)
    knocked_s: float | None = None
    is_done: bool = False
    has_ended: bool = False

    @property
    def knock(self) -> list[NamedArray]:
        """What goes round."""
        return [scalar(Field.VOICE_KNOCK, self.key.encode(), "object")]


class VoiceWaits:
    """Answers callers once their voice is there, and looks meanwhile whether they are; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[str, _Wait] = {}
        self._passes: OrderedDict[str, Callable[[], list[NamedArray]]] = OrderedDict()
        self._returned: SimpleQueue[tuple[Responder, str] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="s1-voice-waits", daemon=True)
        self._thread.start()

    def enter(
        self, responder: Responder, future: Future[Any], write: Write, *, ticket: str = "", goes_round: bool = False
    ) -> None:
        """Answer a request when its future is done; cancel the future when its caller has left.

        Args:
            responder: Answers the request.
            future: What is waited for.
            write: Makes tensors of it.
            ticket: The collector's key, or empty.
            goes_round: Whether the request came by way of the ensemble, which hands knocks to this model again.
        """
        key = secrets.token_hex(16)
        with self._lock:
            self._waits[key] = _Wait(key, ticket, goes_round, responder, future, write)
        # by its key: the wait holds the future, whose callback would keep the request until cycles are collected
        future.add_done_callback(lambda _: self._end(key))

    def returned(self, responder: Responder, key: str) -> None:
        """Take in a knock that came back; never waits. The last one of a request is answered at once."""
        with self._lock:
            passing = self._passes.pop(key, None)
        if passing is None:
            self._returned.put((responder, key))
        else:
            responder.send(passing(), is_final=True)

    def abort(self, tickets: Iterable[str]) -> None:
        """Cancel what callers of the collector wait for who have left."""
        wanted = set(tickets)
        for wait in self._all():
            if wait.ticket in wanted:
                wait.future.cancel()

    def close(self) -> None:
        """Stop looking; who still waits is answered all the same."""
        self._returned.put(None)
        self._thread.join()

    def _all(self) -> list[_Wait]:
        with self._lock:
            return list(self._waits.values())

    def _run(self) -> None:
        looked_s = time.monotonic()
        while True:
            try:
                came = self._returned.get(timeout=max(0.0, looked_s + LOOK_S - time.monotonic()))
            except Empty:
                looked_s = time.monotonic()
                self._guarded(self._look, looked_s)
            else:
                if came is None:
                    return
                self._guarded(self._take_back, *came)

    @staticmethod
    def _guarded(action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception:
            # One caller that cannot be looked after must not end the thread for all.
            log.exception("a waiting caller could not be looked after")

    def _look(self, now_s: float) -> None:
        for wait in self._all():
            if wait.ticket or now_s - wait.looked_s < LOOK_S:
                continue
            wait.looked_s = now_s
            if wait.responder.is_cancelled():
                wait.future.cancel()
            elif wait.goes_round:
                self._knock(wait, now_s)

    def _knock(self, wait: _Wait, now_s: float) -> None:
        with self._lock:
            if wait.knocked_s is not None and now_s - wait.knocked_s > LOST_KNOCK_S:
                wait.knocked_s = None
                self._post(wait)
            if wait.knocked_s is None and not wait.has_ended:
                wait.knocked_s = now_s
                wait.responder.send(wait.knock, is_final=False)

    def _take_back(self, responder: Responder, key: str) -> None:
        is_cancelled = responder.is_cancelled()
        responder.finish()  # before the answer that may be held back for it
        with self._lock:
            wait = self._waits.get(key)
            if wait is not None:
                wait.knocked_s = None
                self._post(wait)
        if wait is not None and is_cancelled:
            wait.future.cancel()

    def _end(self, key: str) -> None:
        with self._lock:
            wait = self._waits[key]
            wait.is_done = True
            if wait.knocked_s is None:
                self._post(wait)

    def _post(self, wait: _Wait) -> None:
        """Give the answer if there is one; the lock is held."""
        if not wait.is_done or wait.has_ended:
            return
        wait.has_ended = True
        del self._waits[wait.key]
        future = wait.future
        # not raised: it would hold this frame, and with it whom it ended
        error = CancelledError("the caller went away") if future.cancelled() else future.exception()
        try:
            if error is None:
                self._answer(wait)
        except Exception as fault:
            error = fault
        if error is not None:
            wait.responder.fail(as_s1_error(log, "a request could not be answered", error))

    def _answer(self, wait: _Wait) -> None:
        """Send what was waited for, or have it fetched by the last knock; the lock is held."""
        found = wait.future.result()
        if not wait.goes_round:
            wait.responder.send(wait.write(found), is_final=True)
            return
        self._passes[wait.key] = lambda: wait.write(found)
        if len(self._passes) > MOST_PASSES:
            self._passes.popitem(last=False)
        wait.responder.send(wait.knock, is_final=True)
