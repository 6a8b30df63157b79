"""Noticing a caller who hangs up, while an answer is made and while it is sent."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.requests import Request
from starlette.types import Receive

from s1_gateway.errors import CallerGoneError

T = TypeVar("T")


async def wait_for_hangup(receive: Receive) -> None:
    """Return when the caller has hung up; the body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_gone(request: Request, work: Coroutine[None, None, T]) -> T:
    """Do work for a caller, and stop it when the caller hangs up.

    Args:
        request: The caller's, with its body read.
        work: What is done; it is cancelled if nobody waits for it any more, and may take its time to end.

    Raises:
        CallerGoneError: the caller hung up.
    """
    doing = asyncio.current_task()
    if doing is None:
        raise RuntimeError("a caller is served in a task")
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        await wait_for_hangup(request.receive)
        is_gone = True
        doing.cancel()

    # this task does the work itself: another one for it would come to its turn later
    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if is_gone and not doing.uncancel():
            raise CallerGoneError from None
        raise
    finally:
        watching.cancel()
