"""Work for a caller ends with the caller, and with whoever stops the task; nothing else ends it."""

import asyncio

import pytest
from starlette.requests import Request

from s1_gateway.errors import CallerGoneError
from s1_gateway.hangup import unless_gone


class Caller:
    """A caller who may hang up."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.request = Request({"type": "http"}, self._receive)

    async def _receive(self) -> dict[str, str]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Work:
    """What is done for a caller: it waits, and takes a moment to end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.has_cleaned = False

    async def do(self) -> str:
        self.begun.set()
        try:
            await self.may_end.wait()
        finally:
            await asyncio.sleep(0)
            self.has_cleaned = True
        return "done"


async def test_its_result_is_given() -> None:
    caller, work = Caller(), Work()
    work.may_end.set()
    assert await unless_gone(caller.request, work.do()) == "done"
    caller.gone.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # who hangs up now cancels nothing


async def test_its_error_is_given() -> None:
    async def fail() -> None:
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        await unless_gone(Caller().request, fail())


async def test_a_caller_who_hangs_up_stops_it() -> None:
    caller, work = Caller(), Work()
    doing = asyncio.create_task(unless_gone(caller.request, work.do()))
    await work.begun.wait()
    caller.gone.set()
    with pytest.raises(CallerGoneError):
        await doing
    assert work.has_cleaned
    assert not doing.cancelled()


async def test_its_task_may_wait_for_other_things_after_a_hangup() -> None:
    """Its cancellation is used up: a time limit in the same task still tells its own from another's."""
    caller, work = Caller(), Work()

    async def serve() -> str:
        with pytest.raises(CallerGoneError):
            await unless_gone(caller.request, work.do())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        return "served"

    serving = asyncio.create_task(serve())
    await work.begun.wait()
    caller.gone.set()
    assert await serving == "served"


async def test_who_stops_the_task_is_no_caller_who_hangs_up() -> None:
    caller, work = Caller(), Work()
    doing = asyncio.create_task(unless_gone(caller.request, work.do()))
    await work.begun.wait()
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert work.has_cleaned


async def test_who_stops_the_task_of_a_caller_who_hangs_up_is_heard() -> None:
    caller, work = Caller(), Work()
    doing = asyncio.create_task(unless_gone(caller.request, work.do()))
    await work.begun.wait()
    caller.gone.set()
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
