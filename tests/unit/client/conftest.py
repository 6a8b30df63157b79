import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.unit.client.kserve import KServe, Model, serving

Serve = Callable[[Model], tuple[str, KServe]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a model from a thread of its own, for callers that block or run a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    async def start(model: Model) -> tuple[str, KServe]:
        service = KServe(model)
        return await stack.enter_async_context(serving(service)), service

    yield lambda model: run(start(model))
    run(stack.aclose())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
