"""Several servers behind one client: each request finds one that takes it, and what is open goes on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest

from s1_client import (
    AsyncS1Client,
    EarlyEndError,
    Pick,
    Retry,
    ServerError,
    ServerState,
    StallError,
    UnreachableError,
)
from s1_client.connection import Connection
from s1_client.policy import Delivery
from s1_client.servers import FIRST_REST_S, MAX_REST_S, Server
from tests.unit.client.kserve import Chunk, KServe, RefusalError, playing, serving

WHOLE = playing(Chunk(0), Chunk(1, is_last=True))
BUSY = playing(RefusalError(grpc.StatusCode.UNAVAILABLE, "the queue is full"))
WRONG = playing(RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "top_p: got 9"))
NOBODY = "localhost:1"
ONCE = Retry(max_attempts=1)


async def say(client: AsyncS1Client) -> list[int]:
    return [chunk.index async for chunk in client.stream("Hello.")]


class Fleet:
    """Servers that run until the test ends."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.services: dict[str, KServe] = {}

    async def start(self, *models) -> list[str]:
        services = [KServe(model) for model in models]
        urls = [await self._stack.enter_async_context(serving(service)) for service in services]
        self.services |= dict(zip(urls, services, strict=True))
        return urls

    def asked(self) -> list[int]:
        return [len(service.requests) for service in self.services.values()]


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        yield Fleet(stack)


async def forever(_request) -> AsyncIterator[Chunk]:
    yield Chunk(0)
    await asyncio.Event().wait()


async def silent(_request) -> AsyncIterator[Chunk]:
    await asyncio.Event().wait()
    yield Chunk(0)


@pytest.mark.parametrize("pick", Pick)
async def test_requests_go_to_the_servers_in_turn(fleet: Fleet, pick: Pick) -> None:
    async with AsyncS1Client(await fleet.start(WHOLE, WHOLE, WHOLE), pick=pick) as client:
        for _ in range(3):
            assert await say(client) == [0, 1]
            assert len((await client.speak("Hello.")).samples) == 8
    assert fleet.asked() == [2, 2, 2]


@pytest.mark.parametrize(("pick", "expected"), [(Pick.LEAST_OPEN, [1, 4]), (Pick.ROUND_ROBIN, [3, 2])])
async def test_least_open_spares_the_server_that_works(fleet: Fleet, pick: Pick, expected: list[int]) -> None:
    async with AsyncS1Client(await fleet.start(forever, WHOLE), pick=pick) as client:
        held = []
        for _ in range(5):
            chunks = aiter(client.stream("Hello."))
            await anext(chunks)
            if fleet.asked()[0] > len(held):
                held.append(chunks)
            else:
                assert [chunk.index async for chunk in chunks] == [1]
        assert [state.num_open for state in client.servers] == [len(held), 0]
        assert fleet.asked() == expected


async def test_a_refusal_goes_to_the_next_server_at_once(fleet: Fleet) -> None:
    urls = await fleet.start(BUSY, BUSY, WHOLE)
    async with AsyncS1Client(urls, retry=Retry(max_attempts=1, first_delay_s=60.0)) as client:
        assert await say(client) == [0, 1]
        assert len((await client.speak("Hello.")).samples) == 8
        assert not any(state.num_failures for state in client.servers), "who refuses is not gone"
    assert fleet.asked()[2] == 2


async def test_when_all_refuse_each_is_asked_once_an_attempt(fleet: Fleet) -> None:
    urls = await fleet.start(BUSY, BUSY, BUSY)
    async with AsyncS1Client(urls, retry=Retry(max_attempts=2, first_delay_s=0.001)) as client:
        with pytest.raises(ServerError, match="queue is full"):
            await say(client)
    assert fleet.asked() == [2, 2, 2]


@pytest.mark.parametrize("model", [WRONG, playing(Chunk(0), RefusalError(grpc.StatusCode.UNAVAILABLE, "full"))])
async def test_what_is_wrong_or_has_begun_to_sound_stays_where_it_is(fleet: Fleet, model) -> None:
    async with AsyncS1Client(await fleet.start(model, WHOLE)) as client:
        with pytest.raises(ServerError):
            await say(client)
    assert fleet.asked() == [1, 0]


async def test_a_server_that_is_gone_is_left_alone_and_comes_back(fleet: Fleet) -> None:
    urls = await fleet.start(WHOLE)
    async with AsyncS1Client([NOBODY, *urls], pick=Pick.ROUND_ROBIN) as client:
        for _ in range(6):
            assert await say(client) == [0, 1]
        gone, well = client.servers
        assert (gone.num_failures > 0, well.num_failures) == (True, 0)
    async with serving(KServe(WHOLE)) as url:
        client = AsyncS1Client([url, *urls], pick=Pick.ROUND_ROBIN)
        assert await say(client) == [0, 1]
    async with client:
        assert await say(client) == [0, 1]
        assert await say(client) == [0, 1]  # the first one is gone
        assert client.servers[0].num_failures
        returned = KServe(WHOLE)
        async with serving(returned, port=int(url.rpartition(":")[2])), asyncio.timeout(60):
            while not returned.requests:
                assert await say(client) == [0, 1]
                await asyncio.sleep(0.02)
        assert not client.servers[0].num_failures


async def test_one_answer_and_voices_find_another_server_too(fleet: Fleet) -> None:
    urls = await fleet.start(WHOLE)
    async with AsyncS1Client([NOBODY, *urls], retry=Retry(max_attempts=2)) as client:
        assert len((await client.speak("Hello.")).samples) == 8
    async with AsyncS1Client([NOBODY, *urls]) as client:
        with pytest.raises(Exception, match="no voices"):  # the stand-in has none, but it was asked
            await client.voices.list()
    assert fleet.asked() == [2]


async def test_a_server_that_dies_before_the_first_sound_is_replaced(fleet: Fleet) -> None:
    urls = await fleet.start(WHOLE)
    dying = KServe(silent)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(dying))
        async with AsyncS1Client([url, *urls]) as client:
            said = asyncio.create_task(say(client))
            await dying.requested.wait()
            await stack.aclose()
            assert await said == [0, 1]
            assert [state.num_failures for state in client.servers] == [1, 0]


async def test_a_server_that_dies_after_the_first_sound_is_an_error(fleet: Fleet) -> None:
    urls = await fleet.start(WHOLE)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(KServe(forever)))
        async with AsyncS1Client([url, *urls]) as client:
            chunks = aiter(client.stream("Hello."))
            await anext(chunks)
            await stack.aclose()
            with pytest.raises((ServerError, UnreachableError)):
                await anext(chunks)
            assert [state.num_failures for state in client.servers] == [1, 0]
    assert fleet.asked() == [0]


async def test_a_request_that_kills_servers_does_not_go_through_all_of_them() -> None:
    urls = [f"localhost:{port}" for port in range(1, 9)]
    async with AsyncS1Client(urls, retry=Retry(max_attempts=3, first_delay_s=0.001)) as client:
        with pytest.raises(UnreachableError):
            await say(client)
        assert sum(state.num_failures for state in client.servers) == 3


async def test_when_none_is_well_one_is_tried_all_the_same(fleet: Fleet) -> None:
    async with AsyncS1Client([NOBODY, "localhost:2"], retry=ONCE) as client:
        for _ in range(3):
            with pytest.raises(UnreachableError):
                await say(client)


async def test_a_server_that_stalls_before_the_first_sound_is_left_alone(fleet: Fleet) -> None:
    urls = await fleet.start(silent, WHOLE)
    async with AsyncS1Client(urls, delivery=Delivery(stall_timeout_s=0.2), pick=Pick.ROUND_ROBIN) as client:
        with pytest.raises(StallError):
            await say(client)
        for _ in range(2):
            assert await say(client) == [0, 1]


async def test_a_stream_without_a_chunk_is_not_asked_for_again(fleet: Fleet) -> None:
    async with AsyncS1Client(await fleet.start(playing(), WHOLE)) as client:
        with pytest.raises(EarlyEndError):
            await say(client)


# servers that come and go


async def test_an_open_stream_survives_the_leaving_of_its_server(fleet: Fleet) -> None:
    go_on = asyncio.Event()
    first, second = await fleet.start(playing(Chunk(0), go_on.wait(), Chunk(1, is_last=True)), WHOLE)
    async with AsyncS1Client([first]) as client:
        (connection,) = client.connections
        chunks = aiter(client.stream("Hello."))
        await anext(chunks)
        await client.set_servers([second])
        assert [state.url for state in client.servers] == [second]
        assert await say(client) == [0, 1]
        go_on.set()
        assert [chunk.index async for chunk in chunks] == [1]
        with pytest.raises((grpc.aio.UsageError, UnreachableError)):
            await connection.health()  # closed with its last stream
    assert fleet.asked() == [1, 1]


async def test_a_server_that_stays_keeps_its_connection_and_its_count(fleet: Fleet) -> None:
    first, second = await fleet.start(forever, WHOLE)
    async with AsyncS1Client([first]) as client:
        (connection,) = client.connections
        async with client.stream("Hello.") as stream:
            chunks = aiter(stream)
            await anext(chunks)
            await client.set_servers([second, first, first])
            assert client.connections[1] is connection
            assert client.servers == (ServerState(second, 0, 0, False), ServerState(first, 1, 0, False))
            for _ in range(3):
                assert await say(client) == [0, 1]
        assert client.servers[1].num_open == 0


async def test_without_servers_requests_fail_until_there_are_some(fleet: Fleet) -> None:
    (url,) = await fleet.start(WHOLE)
    async with AsyncS1Client([]) as client:
        with pytest.raises(UnreachableError, match="no server is known"):
            await say(client)
        with pytest.raises(UnreachableError):
            await client.health()
        await client.set_servers([url])
        assert await say(client) == [0, 1]
        with pytest.raises(ValueError, match="http://"):
            await client.set_servers([url, "http://elsewhere"])
        assert await say(client) == [0, 1]


async def test_closing_the_client_closes_those_that_leave_too(fleet: Fleet) -> None:
    (url,) = await fleet.start(forever)
    client = AsyncS1Client([url])
    stream = client.stream("Hello.")
    chunks = aiter(stream)
    await anext(chunks)
    await client.set_servers([])
    await client.close()
    await fleet.services[url].cancelled.wait()
    await chunks.aclose()


# health


async def test_health_is_what_the_servers_can_do_together(fleet: Fleet) -> None:
    urls = await fleet.start(WHOLE)
    async with AsyncS1Client([NOBODY, *urls], retry=ONCE) as client:
        health = await client.health()
        assert health.is_ready
        assert [state.num_failures for state in client.servers] == [1, 0]
        assert await say(client) == [0, 1]
    async with AsyncS1Client([NOBODY, "localhost:2"]) as client:
        with pytest.raises(UnreachableError):
            await client.health()


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_rests_grow_with_each_failed_trial_and_end_with_a_success() -> None:
    clock = Clock()
    connection = Connection(NOBODY, None, {})
    server = Server(connection, clock)
    rests = []
    for _ in range(8):
        server.chosen()
        server.failed()
        server.failed()  # a stream that broke together with the first
        rests.append(server.rests_until_s - clock.now_s)
        assert server.is_resting
        clock.now_s = server.rests_until_s
        assert not server.is_resting
    assert rests == pytest.approx([min(FIRST_REST_S * 2**n, MAX_REST_S) for n in range(8)])
    server.chosen()
    assert server.is_resting, "one request tries it, the others wait for how that ends"
    server.succeeded()
    assert not server.is_resting
    server.failed()
    assert server.rests_until_s - clock.now_s == pytest.approx(FIRST_REST_S)
    await connection.close()


async def test_of_equals_each_is_chosen_as_often(fleet: Fleet) -> None:
    urls = await fleet.start(WHOLE, WHOLE, WHOLE, WHOLE)
    async with AsyncS1Client(urls) as client:
        await asyncio.gather(*(say(client) for _ in range(20)))
    assert Counter(fleet.asked()) == {5: 4}
