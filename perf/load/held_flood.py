"""A flood whose streams go on until they are let go, one at a time: who has the slot that becomes free?

No clock is read. While no slot becomes free, nobody's turn comes, so that all requests are in the queue before the
first stream is let go; and the next one is let go only when it is known who has the slot of the last one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio

T = TypeVar("T")
Say = Callable[[Callable[[], None]], Coroutine[Any, Any, T]]
"""Says something to its end, and calls what it is given when the first sound has come."""

POLL_S = 0.05
REFUSED_S = 0.2
"""Wait of callers who were refused."""


class HeldFlood:
    """Callers of one name, each of whom asks on and on: they have all slots, and their whole share of the queue.

    Args:
        say: Sends one of its requests, for a stream that goes on for long; gives whether it was taken.
        num_callers: More than the slots and the share.
        metrics: Reads the server's, which change about once a second.

    Attributes:
        num_begun: Streams that began to sound.
        num_refused: Requests that were refused.
        faults: What went wrong with its requests, once it has been left.
    """

    def __init__(self, say: Say[bool], num_callers: int, metrics: Callable[[], Mapping[str, float]]) -> None:
        self._say = say
        self._num_callers = num_callers
        self._metrics = metrics
        self._sounding: list[anyio.CancelScope] = []
        self._callers: list[asyncio.Task[None]] = []
        self.num_begun = 0
        self.num_refused = 0
        self.faults: list[str] = []

    async def __aenter__(self) -> Self:
        self._callers = [asyncio.create_task(self._ask_on()) for _ in range(self._num_callers)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for caller in self._callers:
            caller.cancel()
        ends = await asyncio.gather(*self._callers, return_exceptions=True)
        self.faults += [
            f"a caller of the flood: {end!r}" for end in ends if not isinstance(end, asyncio.CancelledError)
        ]

    async def turns_beside(self, say_note: Say[T]) -> tuple[int, T]:
        """Let another caller ask, and free slots one at a time until it is heard.

        Args:
            say_note: Sends the other caller's request.

        Returns:
            Slots that the flood had after the note had come and before it; and what came of the note.
        """
        slots = await self._slots_when_full()
        ended = asyncio.Event()
        note = asyncio.create_task(say_note(ended.set))
        note.add_done_callback(lambda _: ended.set())  # so does one that is refused
        num_freed = 0
        try:
            while await self._waits(ended, slots):
                num_freed += 1
                num_begun = self.num_begun
                self._sounding.pop(0).cancel()
                while not ended.is_set() and self.num_begun == num_begun:
                    await self._pause()
        except BaseException:
            note.cancel()
            raise
        return max(0, num_freed - 1), await note

    async def _slots_when_full(self) -> int:
        """Wait until its whole share waits and all its streams that have a slot are heard; gives their number."""
        while True:
            page = await self._fresh_metrics()
            active = int(page["s1_lm_active_sequences"])
            if active == len(self._sounding) > 0 and page["s1_lm_waiting_sequences"] >= _share(page):
                return active

    async def _waits(self, ended: asyncio.Event, slots: int) -> bool:
        """Wait until the note is over, or certainly in the queue, as the flood has all slots and no more may wait."""
        while not ended.is_set():
            page = await self._fresh_metrics()
            is_flooded = len(self._sounding) >= slots and page["s1_lm_active_sequences"] >= slots
            if is_flooded and page["s1_lm_waiting_sequences"] > _share(page):
                return not ended.is_set()
        return False

    async def _fresh_metrics(self) -> Mapping[str, float]:
        """The server's metrics, newer than this call: streams go on, so that frames are made."""
        first = page = await asyncio.to_thread(self._metrics)
        while page["s1_lm_frames_total"] == first["s1_lm_frames_total"]:
            await self._pause()
            page = await asyncio.to_thread(self._metrics)
        return page

    async def _pause(self) -> None:
        await asyncio.sleep(POLL_S)
        for caller in self._callers:
            if caller.done():
                caller.result()

    async def _ask_on(self) -> None:
        while True:
            with anyio.CancelScope() as scope:
                try:
                    if not await self._say(partial(self._note_begun, scope)):
                        self.num_refused += 1
                        await asyncio.sleep(REFUSED_S)
                finally:
                    if scope in self._sounding:
                        self._sounding.remove(scope)

    def _note_begun(self, scope: anyio.CancelScope) -> None:
        self._sounding.append(scope)
        self.num_begun += 1


def _share(page: Mapping[str, float]) -> int:
    """How many of one caller's requests may wait."""
    return max(1, int(page["s1_lm_queue_limit"]) // 2)
