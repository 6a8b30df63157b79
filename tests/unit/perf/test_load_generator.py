"""When requests are sent, and with which texts."""

import asyncio
import itertools
from pathlib import Path

import pytest
from perf.load.generator import StreamRequest, closed_loop, new_record, poisson_arrivals
from perf.load.streams import StreamRecord
from perf.load.texts import LENGTHS, SampleText, read_texts, unique_texts
from perf.server.plan import Plan


def test_poisson_arrivals_have_the_rate_and_the_scatter_of_a_poisson_process() -> None:
    arrivals_s = poisson_arrivals(rate_per_s=4.0, count=20_000, seed=1)
    waits_s = [later - earlier for earlier, later in itertools.pairwise([0.0, *arrivals_s])]
    mean_s = sum(waits_s) / len(waits_s)
    variance = sum((wait_s - mean_s) ** 2 for wait_s in waits_s) / len(waits_s)
    assert min(waits_s) > 0
    assert mean_s == pytest.approx(0.25, rel=0.03)
    assert variance == pytest.approx(0.25**2, rel=0.06)  # as large as the squared mean: exponential waits


def test_poisson_arrivals_are_the_seed_s() -> None:
    assert poisson_arrivals(1.0, 5, seed=3) == poisson_arrivals(1.0, 5, seed=3)
    assert poisson_arrivals(1.0, 5, seed=3) != poisson_arrivals(1.0, 5, seed=4)


async def test_a_closed_loop_keeps_so_many_requests_open() -> None:
    num_open = most_open = 0

    async def send(index: int, request: StreamRequest) -> StreamRecord:
        nonlocal num_open, most_open
        num_open += 1
        most_open = max(most_open, num_open)
        await asyncio.sleep(0.001 * (index % 3))  # they end in another order than they began
        num_open -= 1
        return new_record(index, request, 0.0)

    requests = [StreamRequest(SampleText("en", "short", f"Number {number}.")) for number in range(10)]
    records = await closed_loop(send, requests, concurrency=3)
    assert most_open == 3
    assert [record.index for record in records] == list(range(10))


def test_the_list_has_every_length_in_several_languages() -> None:
    texts = read_texts()
    for length in LENGTHS:
        assert len({text.language for text in texts if text.length == length}) >= 5
    assert len({text.text for text in texts}) == len(texts)


@pytest.mark.parametrize(("length", "low_s", "high_s"), [("short", 2, 4), ("medium", 8, 13), ("long", 25, 35)])
def test_texts_are_as_long_as_their_length_says(length: str, low_s: float, high_s: float) -> None:
    for text in read_texts():
        if text.length == length:
            assert low_s <= text.num_frames / 21.53 <= high_s, text


def test_no_text_comes_twice_and_lengths_take_turns() -> None:
    taken = list(itertools.islice(unique_texts(read_texts()), 400))
    assert len({text.text for text in taken}) == 400
    assert [text.length for text in taken[:6]] == [*LENGTHS, *LENGTHS]


def test_a_length_without_texts_is_named() -> None:
    with pytest.raises(ValueError, match="endless"):
        next(unique_texts(read_texts(), ("endless",)))


def test_a_run_has_a_stream_for_each_caller_at_least() -> None:
    plan = Plan(Path("tiny"), streams_per_caller=2, min_streams=4, max_streams=16)
    assert [plan.streams_at(callers) for callers in (1, 4, 8, 32)] == [4, 8, 16, 32]
