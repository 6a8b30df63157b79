"""A flood that is let go one stream at a time counts the turns of a note, whatever the scheduler does."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import numpy as np
import pytest
from perf.load.held_flood import HeldFlood

from s1_protocol.errors import UnavailableError
from s1_protocol.names import ServiceClass
from s1_tts.lm.scheduler import Scheduler
from s1_tts.lm.sequence import Sequence, Status
from s1_tts.speech_task import SpeechTask

SLOTS = 4
QUEUE = 8


class InOrderOfArrival(Scheduler):
    """What the server must not be."""

    def _take_fairly(self, waiting: deque[Sequence]) -> Sequence:
        return waiting.popleft()


class Server:
    """A scheduler that gives slots on and on; its streams say nothing.

    Args:
        scheduler: Whose turn it is.
        stream_rounds: Rounds until a stream ends by itself.
    """

    def __init__(self, scheduler: Scheduler, stream_rounds: int) -> None:
        self._scheduler = scheduler
        self._stream_rounds = stream_rounds
        self._round = 0

    async def run(self) -> None:
        while True:
            self._round += 1
            self._scheduler.admit()
            await asyncio.sleep(0.001)

    def metrics(self) -> Mapping[str, float]:
        return {
            "s1_lm_queue_limit": QUEUE,
            "s1_lm_active_sequences": len(self._scheduler.running),
            "s1_lm_waiting_sequences": len(self._scheduler.waiting),
            "s1_lm_frames_total": self._round,
        }

    async def say(self, caller: str, rounds: int, begun: Callable[[], None]) -> bool:
        task = SpeechTask("text", service=ServiceClass.NOTE, caller=caller)
        columns = np.zeros((11, 3), dtype=np.int64)
        sequence = Sequence(0, task, lambda event: None, deque(["text"]), columns, 0.0)
        try:
            self._scheduler.add(sequence)
        except UnavailableError:
            return False
        try:
            while sequence.status is Status.WAITING:  # noqa: ASYNC110  # a scheduler tells nobody
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)  # its first sound is on its way
            begun()
            ends_at = self._round + rounds
            while self._round < ends_at:  # noqa: ASYNC110  # rounds are counted, not waited for
                await asyncio.sleep(0)
        finally:
            self._scheduler.remove(sequence)
        return True

    async def say_of_flood(self, begun: Callable[[], None]) -> bool:
        return await self.say("flooder", self._stream_rounds, begun)

    async def say_note(self, begun: Callable[[], None]) -> bool:
        return await self.say("other", 3, begun)


@asynccontextmanager
async def flooded(scheduler: Scheduler, stream_rounds: int = 10**9) -> AsyncIterator[tuple[HeldFlood, Server]]:
    server = Server(scheduler, stream_rounds)
    running = asyncio.create_task(server.run())
    async with HeldFlood(server.say_of_flood, SLOTS + QUEUE, server.metrics) as flood:
        yield flood, server
    running.cancel()
    assert flood.faults == []
    assert scheduler.running == scheduler.waiting == []


async def test_a_note_has_the_next_slot() -> None:
    async with flooded(Scheduler(SLOTS, QUEUE, call_slots=1)) as (flood, server):
        for _ in range(3):
            assert await flood.turns_beside(server.say_note) == (0, True)
    assert flood.num_refused > 0
    assert flood.num_begun >= SLOTS - 1


async def test_streams_that_end_by_themselves_are_no_turns() -> None:
    async with flooded(Scheduler(SLOTS, QUEUE, call_slots=1), stream_rounds=30) as (flood, server):
        for _ in range(5):
            assert await flood.turns_beside(server.say_note) == (0, True)


async def test_in_order_of_arrival_a_note_waits_for_all_that_came_before_it() -> None:
    async with flooded(InOrderOfArrival(SLOTS, QUEUE, call_slots=1)) as (flood, server):
        assert await flood.turns_beside(server.say_note) == (QUEUE // 2, True)


async def test_a_note_that_is_refused_is_no_turn_and_is_told() -> None:
    async def refused(_begun: Callable[[], None]) -> bool:
        return False

    async with flooded(Scheduler(SLOTS, QUEUE, call_slots=1)) as (flood, _):
        assert await flood.turns_beside(refused) == (0, False)


async def test_a_fault_of_the_flood_ends_the_count() -> None:
    async def broken(_begun: Callable[[], None]) -> bool:
        raise ConnectionError("broken off")

    server = Server(Scheduler(SLOTS, QUEUE, call_slots=1), 1)
    running = asyncio.create_task(server.run())
    flood = HeldFlood(broken, SLOTS + QUEUE, server.metrics)
    with pytest.raises(ConnectionError):
        async with flood:
            await flood.turns_beside(server.say_note)
    running.cancel()
    assert len(flood.faults) == SLOTS + QUEUE
