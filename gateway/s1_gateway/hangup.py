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
        work: What is done; it is cancelled, and waited for, if nobody waits for it any more.

    Raises:
        CallerGoneError: the caller hung up.
    """
    doing = asyncio.create_task(work)
    gone = asyncio.create_task(wait_for_hangup(request.receive))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise CallerGoneError
    finally:
        gone.cancel()
        if not doing.done():
            doing.cancel()
            await asyncio.wait({doing})
