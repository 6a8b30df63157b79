"""A slow listener costs a bounded number of bytes, and nobody else anything."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1_gateway.buffering import SoundBuffer, WhenFull


def count_up(samples: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + samples, dtype=np.int16)


async def drain(buffer: SoundBuffer) -> np.ndarray:
    parts = [np.empty(0, np.int16)]
    while (piece := await buffer.get()) is not None:
        parts.append(piece)
    return np.concatenate(parts)


@given(st.lists(st.integers(0, 500), max_size=20), st.integers(2, 700))
def test_all_sound_comes_out_in_order_however_small_the_buffer(lengths: list[int], max_bytes: int) -> None:
    async def run() -> None:
        buffer = SoundBuffer(max_bytes, WhenFull.WAIT, piece_samples=100)

        async def put() -> None:
            start = 0
            for length in lengths:
                await buffer.put(count_up(length, start))
                start += length
                assert buffer.held_bytes <= max(max_bytes, 200)
            buffer.close()

        _, out = await asyncio.gather(put(), drain(buffer))
        assert np.array_equal(out, count_up(sum(lengths)))
        assert buffer.held_bytes == buffer.dropped_samples == 0

    asyncio.run(run())


async def test_when_it_is_full_the_engine_is_not_read_on() -> None:
    buffer = SoundBuffer(400, WhenFull.WAIT, piece_samples=100)
    putting = asyncio.create_task(buffer.put(count_up(1000)))
    await asyncio.sleep(0)
    assert buffer.held_bytes == 400
    assert not putting.done()
    await buffer.get()
    await asyncio.sleep(0)
    assert buffer.held_bytes == 400
    putting.cancel()


async def test_or_the_oldest_is_dropped_and_counted() -> None:
    buffer = SoundBuffer(400, WhenFull.DROP_OLDEST, piece_samples=100)
    await buffer.put(count_up(1000))
    buffer.close()
    assert buffer.dropped_samples == 800
    assert np.array_equal(await drain(buffer), count_up(200, 800))


async def test_an_error_comes_behind_the_sound_that_was_there() -> None:
    buffer = SoundBuffer(10_000, WhenFull.WAIT)
    await buffer.put(count_up(10))
    buffer.close(ConnectionError("the server is gone"))
    assert len(await buffer.get()) == 10
    with pytest.raises(ConnectionError, match="the server is gone"):
        await buffer.get()


async def test_a_listener_that_waits_is_woken() -> None:
    buffer = SoundBuffer(10_000, WhenFull.WAIT)
    getting = asyncio.create_task(buffer.get())
    await asyncio.sleep(0)
    await buffer.put(count_up(3))
    assert len(await getting) == 3
    getting = asyncio.create_task(buffer.get())
    await asyncio.sleep(0)
    buffer.close()
    assert await getting is None
