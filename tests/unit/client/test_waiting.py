"""Limits of waits that follow each other, on a clock that jumps to what is due next."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from s1_client.waiting import WaitedTooLongError, WaitLimit

LIMIT_S = 10.0


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only while nothing is to be done."""

    now_s = 100.0

    def time(self) -> float:
        """Seconds on its clock."""
        return self.now_s

    def _run_once(self) -> None:
        loop: Any = self  # what asyncio keeps to itself
        due_s = [timer.when() for timer in loop._scheduled if not timer.cancelled()]
        if due_s and not loop._ready:
            self.now_s = max(self.now_s, min(due_s))
        super()._run_once()  # type: ignore[misc]


def run(test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(test)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_a_wait_is_cut_off_at_the_limit_and_the_next_one_has_all_of_its_time() -> None:
    async def wait() -> None:
        limit = WaitLimit(LIMIT_S)
        for _ in range(2):
            begun_s = now_s()
            with pytest.raises(WaitedTooLongError, match="waited for 10 s"), limit:
                await asyncio.sleep(1000)
            assert now_s() - begun_s == pytest.approx(LIMIT_S)
        with limit:
            await asyncio.sleep(0.9 * LIMIT_S)
        limit.close()

    run(wait())


def test_short_waits_are_not_added_up() -> None:
    async def wait() -> None:
        limit = WaitLimit(LIMIT_S)
        for _ in range(5):
            with limit:
                await asyncio.sleep(0.7 * LIMIT_S)
            await asyncio.sleep(0.5 * LIMIT_S)  # time between waits counts for none
        begun_s = now_s()
        with pytest.raises(WaitedTooLongError), limit:
            await asyncio.sleep(1000)
        assert now_s() - begun_s == pytest.approx(LIMIT_S)

    run(wait())


def test_who_is_cancelled_by_somebody_else_stays_cancelled() -> None:
    async def wait() -> None:
        async def work() -> None:
            with WaitLimit(LIMIT_S):
                await asyncio.sleep(1000)

        working = asyncio.create_task(work())
        await asyncio.sleep(1)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

        # both at once
        working = asyncio.create_task(work())
        asyncio.get_running_loop().call_at(now_s() + LIMIT_S, working.cancel)
        with pytest.raises(asyncio.CancelledError):
            await working

    run(wait())


def test_an_error_of_the_wait_is_its_own_and_no_limit_is_none() -> None:
    async def wait() -> None:
        limit = WaitLimit(LIMIT_S)
        with pytest.raises(KeyError), limit:
            raise KeyError
        limit.close()
        with WaitLimit(None):
            await asyncio.sleep(1e6)

    run(wait())


def test_a_closed_limit_leaves_no_timer() -> None:
    async def wait() -> None:
        limit = WaitLimit(LIMIT_S)
        with limit:
            await asyncio.sleep(1)
        limit.close()
        loop: Any = asyncio.get_running_loop()
        assert not [timer for timer in loop._scheduled if not timer.cancelled()]

    run(wait())
