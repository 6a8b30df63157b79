"""The sound of callers at once is added up whole."""

import asyncio

from perf.gateway.hearing import Listener
from perf.gateway.throughput import hear_all


async def _heard(text: str) -> Listener:
    await asyncio.sleep(0.001)
    listener = Listener()
    listener.hear(2.0)
    return listener


def test_callers_at_once_lose_no_sound() -> None:
    """Twenty answers of 2 s are 40 s, however many callers share them."""
    assert asyncio.run(hear_all(_heard, num_callers=8, requests=20)) == 40.0
