"""Requests are repeated only where that is safe, end in time, and a slow reader holds up itself and nobody else."""

import asyncio
import itertools
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from s1_client import (
    AsyncS1Client,
    AudioChunk,
    DeadlineError,
    Delivery,
    Retry,
    ServerError,
    SpeechOptions,
    StallError,
    Tls,
    UnreachableError,
    WhenFull,
)
from s1_client.buffer import ChunkBuffer
from tests.unit.client.kserve import Chunk, KServe, RefusalError, in_turn, playing, serving, tensor_of, until

WHOLE = playing(Chunk(0), Chunk(1), Chunk(2, is_last=True))
BUSY = RefusalError(grpc.StatusCode.UNAVAILABLE, "the queue is full (64 waiting)")
QUICK = Retry(max_attempts=4, first_delay_s=0.001)


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_busy_server_is_asked_again() -> None:
    service = KServe(in_turn(playing(BUSY), playing(BUSY), WHOLE))
    async with serving(service) as url, AsyncS1Client(url, retry=QUICK) as client:
        assert [chunk.index async for chunk in client.stream("Hello.")] == [0, 1, 2]
    assert len(service.requests) == 3


async def test_one_answer_is_asked_for_again() -> None:
    service = KServe(in_turn(playing(BUSY), WHOLE))
    async with serving(service) as url, AsyncS1Client(url, retry=QUICK) as client:
        assert len((await client.speak("Hello.")).samples) == 12
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("first", "num_requests"),
    [
        (playing(BUSY), 4),
        (playing(Chunk(0), BUSY), 1),
        (playing(RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "no")), 1),
        (playing(RefusalError(grpc.StatusCode.INTERNAL, "no")), 1),
    ],
    ids=["bounded", "not after sound", "not what is wrong", "not what broke"],
)
async def test_no_request_is_repeated_in_vain(first, num_requests: int) -> None:
    service = KServe(first)
    async with serving(service) as url, AsyncS1Client(url, retry=QUICK) as client:
        with pytest.raises(ServerError):
            async for _ in client.stream("Hello."):
                pass
    assert len(service.requests) == num_requests


async def test_the_servers_deadline_shrinks_and_ends_the_attempts() -> None:
    service = KServe(playing(BUSY))
    retry = Retry(max_attempts=50, first_delay_s=0.05, max_delay_s=0.05)
    async with serving(service) as url, AsyncS1Client(url, retry=retry) as client:
        with pytest.raises(ServerError, match="queue is full"):
            async for _ in client.stream("Hello.", SpeechOptions(deadline_ms=300)):
                pass
    sent = [tensor_of(request, "deadline_ms").item() for request in service.requests]
    assert sent[0] == 300
    assert all(later < earlier for earlier, later in itertools.pairwise(sent))
    assert 1 < len(sent) < 20


def test_delays_grow_by_chance_and_are_bounded() -> None:
    retry = Retry(first_delay_s=0.1, max_delay_s=0.4)
    for num_failed, longest_s in ((1, 0.1), (2, 0.2), (3, 0.4), (9, 0.4)):
        delays = {retry.delay_s(num_failed) for _ in range(50)}
        assert len(delays) > 1
        assert all(longest_s / 2 <= delay <= longest_s for delay in delays)


async def test_a_server_that_comes_back_is_found_again() -> None:
    async with serving(KServe(WHOLE)) as url:
        client = AsyncS1Client(url)
        assert [chunk.index async for chunk in client.stream("Hello.")] == [0, 1, 2]
    with pytest.raises(UnreachableError):
        await client.speak("Hello.")
    patient = AsyncS1Client(url, retry=Retry(max_attempts=100, max_delay_s=0.2))
    late = asyncio.create_task(patient.speak("Hello."))
    async with serving(KServe(WHOLE), port=int(url.rpartition(":")[2])), client, patient:
        assert len((await late).samples) == 12


@pytest.mark.parametrize("model", [playing(forever()), playing(Chunk(0), forever())], ids=["first", "later"])
async def test_a_stall_is_an_error_and_stops_the_server(model) -> None:
    service = KServe(model)
    async with serving(service) as url, AsyncS1Client(url, delivery=Delivery(stall_timeout_s=0.3)) as client:
        with pytest.raises(StallError, match=r"nothing came for 0\.3 s") as caught:
            async for _ in client.stream("Hello."):
                pass
        await service.cancelled.wait()
    assert caught.value.num_chunks in (0, 1)


async def endless(_request) -> AsyncIterator[Chunk]:
    yield Chunk(0)
    await forever()


async def test_the_callers_deadline_ends_both_ways_of_asking() -> None:
    service = KServe(endless)
    delivery = Delivery(deadline_s=0.3)
    async with serving(service) as url, AsyncS1Client(url) as client:
        with pytest.raises(DeadlineError, match=r"0\.3 s"):
            async for _ in client.stream("Hello.", delivery=delivery):
                pass
        await service.cancelled.wait()
        with pytest.raises(DeadlineError):
            await client.speak("Hello.", delivery=delivery)


@pytest.mark.parametrize(
    "wrong", [{"max_buffered_chunks": 0}, {"max_buffered_bytes": 0}, {"deadline_s": 0.0}, {"stall_timeout_s": -1.0}]
)
def test_a_delivery_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: got .*allowed: "):
        Delivery(**wrong)


def chunk_of(index: int) -> AudioChunk:
    return AudioChunk(index, np.zeros(1, np.int16), 44_100, is_last=False, arrival_s=0.0)


async def test_a_full_buffer_waits_for_its_reader() -> None:
    buffer = ChunkBuffer(2, None, WhenFull.WAIT)
    for index in range(2):
        await buffer.wait_for_room()
        buffer.put(chunk_of(index))
    waiting = asyncio.create_task(buffer.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert (await buffer.get()).index == 0
    await waiting
    assert buffer.dropped == 0


async def test_a_full_buffer_drops_what_is_oldest_and_counts_it() -> None:
    buffer = ChunkBuffer(2, None, WhenFull.DROP_OLDEST)
    for index in range(5):
        await buffer.wait_for_room()
        buffer.put(chunk_of(index))
    buffer.close()
    assert [(await buffer.get()).index for _ in range(2)] == [3, 4]
    assert await buffer.get() is None
    assert buffer.dropped == 3


def chunk_of_bytes(index: int, num_bytes: int) -> AudioChunk:
    return AudioChunk(index, np.zeros(num_bytes // 2, np.int16), 44_100, is_last=False, arrival_s=0.0)


async def test_a_buffer_is_full_by_bytes_too() -> None:
    buffer = ChunkBuffer(100, 1000, WhenFull.WAIT)
    buffer.put(chunk_of_bytes(0, 600))
    await buffer.wait_for_room()
    buffer.put(chunk_of_bytes(1, 1200))  # the one that goes over it
    waiting = asyncio.create_task(buffer.wait_for_room())
    assert (await buffer.get()).index == 0
    await asyncio.sleep(0)
    assert not waiting.done(), "the other one is over it alone"
    assert (await buffer.get()).index == 1
    await waiting
    assert buffer.dropped == 0


async def test_as_many_of_the_oldest_are_dropped_as_the_bytes_want() -> None:
    buffer = ChunkBuffer(100, 1000, WhenFull.DROP_OLDEST)
    for index, num_bytes in enumerate((400, 400, 400, 2000, 2)):
        buffer.put(chunk_of_bytes(index, num_bytes))
    buffer.close()
    assert (await buffer.get()).index == 4
    assert await buffer.get() is None
    assert buffer.dropped == 4


async def test_a_slow_reader_of_live_sound_misses_the_oldest() -> None:
    done = asyncio.Event()

    async def model(request):
        for index in range(10):
            yield Chunk(index, is_last=index == 9)
        done.set()

    delivery = Delivery(max_buffered_chunks=3, when_full=WhenFull.DROP_OLDEST)
    async with serving(KServe(model)) as url, AsyncS1Client(url) as client:
        stream = client.stream("Hello.", delivery=delivery)
        heard = []
        async for chunk in stream:
            heard.append(chunk.index)
            await until(lambda: stream.dropped == 6)  # slow: all ten have come
    assert heard[1:] == [7, 8, 9]
    assert stream.dropped == 6


async def test_a_slow_reader_holds_the_server_back_and_nobody_else() -> None:
    large = np.zeros(64_000, np.int16)
    sent = {b"slow": 0, b"quick": 0}
    num_chunks = 400  # 50 MB: more than any flow control window

    async def model(request):
        text = tensor_of(request, "text").item()
        for index in range(num_chunks if text == b"slow" else 20):
            sent[text] += 1
            yield Chunk(index, index == (num_chunks if text == b"slow" else 20) - 1, large)

    service = KServe(model)
    async with serving(service) as url, AsyncS1Client(url, delivery=Delivery(max_buffered_chunks=4)) as client:
        slow = aiter(client.stream("slow"))
        assert (await anext(slow)).index == 0

        async def read_quickly() -> int:
            return len([chunk async for chunk in client.stream("quick")])

        assert await asyncio.gather(*(read_quickly() for _ in range(8))) == [20] * 8
        held_at = sent[b"slow"]
        assert held_at < num_chunks  # it waits for its own reader
        assert [chunk.index async for chunk in slow] == list(range(1, num_chunks))


async def test_headers_go_with_every_request() -> None:
    service = KServe(WHOLE)
    async with serving(service) as url, AsyncS1Client(url, headers={"Authorization": "Bearer x"}) as client:
        await client.speak("Hello.")
        async for _ in client.stream("Hello."):
            pass
    assert [metadata["authorization"] for metadata in service.metadata] == ["Bearer x"] * 2


@pytest.fixture
def key_and_certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


async def test_a_requests_own_headers_go_over_those_of_the_client() -> None:
    service = KServe(playing(Chunk(0, is_last=True)))
    async with serving(service) as url, AsyncS1Client(url, headers={"x-team": "red", "x-trace": "none"}) as client:
        await client.speak("One.", headers={"X-Trace": "1"})
        assert [chunk.index async for chunk in client.stream("Two.", headers={"x-trace": "2"})] == [0]
        async for _ in client.stream(["Three. ", "Four."], headers={"x-trace": "3"}):
            pass
        with pytest.raises(ValueError, match="the value of x-trace"):
            client.stream("Five.", headers={"x-trace": "a\nb"})
        with pytest.raises(ValueError, match="the value of x-trace"):
            await client.speak("Five.", headers={"x-trace": "a\nb"})
    assert [(sent["x-team"], sent["x-trace"]) for sent in service.metadata] == [("red", x) for x in "1233"]


async def test_an_encrypted_connection_trusts_the_given_certificate_only(key_and_certificate) -> None:
    key, certificate = key_and_certificate
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    once = Retry(max_attempts=1)
    async with serving(KServe(WHOLE), credentials=credentials) as url:
        async with AsyncS1Client(url, tls=Tls(root_certificates=certificate)) as client:
            assert len((await client.speak("Hello.")).samples) == 12
        async with AsyncS1Client(url, tls=Tls(), retry=once) as stranger:
            with pytest.raises(UnreachableError):
                await stranger.speak("Hello.")
