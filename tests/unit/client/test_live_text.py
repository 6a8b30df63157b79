"""Sentences of a text that is being written start when they are whole, one ahead, and sound as one stream."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1_client import FLUSH, AsyncS1Client, Delivery, OptionError, ServerError, SpeechOptions, SpeechStream
from s1_client.live_text import MAX_SENTENCE_CHARACTERS, Flush, SentenceCutter
from tests.unit.client.kserve import Chunk, KServe, RefusalError, playing, serving, tensor_of, until

WHOLE = playing(Chunk(0), Chunk(1, is_last=True))


async def endless(_request) -> AsyncIterator[Chunk]:
    yield Chunk(0)
    await asyncio.Event().wait()


async def listen(stream: SpeechStream, heard: list[int]) -> None:
    async for chunk in stream:
        heard.append(chunk.index)  # noqa: PERF401  # what was heard before an error counts


async def pieces_of(*pieces: str | Flush | asyncio.Event) -> AsyncIterator[str | Flush]:
    for piece in pieces:
        if isinstance(piece, asyncio.Event):
            await piece.wait()
        else:
            yield piece


def cut(*pieces: str | Flush) -> list[list[str]]:
    cutter = SentenceCutter()
    given = [cutter.finish() if isinstance(piece, Flush) else cutter.feed(piece) for piece in pieces]
    return [*given, cutter.finish()]


@pytest.mark.parametrize(
    ("pieces", "sentences"),
    [
        (["Hello", " there", ".", " How", " are you?"], [[], [], [], ["Hello there."], [], ["How are you?"]]),
        (["It is 3.", "14 now. ", "Yes"], [[], [], ["It is 3.14 now."], ["Yes"]]),
        (["Ask Dr. Who. Really"], [["Ask Dr. Who."], ["Really"]]),
        (["你好。今天", "好吗？"], [["你好。"], [], ["今天好吗？"]]),
        (["One. ", "🙂. ", "Two. Three"], [[], ["One."], ["🙂. Two."], ["Three"]]),
        (["...", " "], [[], [], []]),
        (["One. Two. Three."], [["One.", "Two."], ["Three."]]),
        (["Hello", FLUSH, " there", FLUSH, FLUSH], [[], ["Hello"], [], ["there"], [], []]),
        (["One. Two", FLUSH, ". Three"], [["One."], ["Two"], [], [". Three"]]),
        (["🙂 ", FLUSH, "Hello."], [[], [], [], ["🙂 Hello."]]),
    ],
)
def test_sentences_are_given_when_they_are_whole(pieces: list[str | Flush], sentences: list[list[str]]) -> None:
    assert cut(*pieces) == sentences


def test_a_text_without_an_end_is_cut() -> None:
    given_sentences = cut(*(["and so on "] * 200))
    assert all(len(sentence) <= MAX_SENTENCE_CHARACTERS for given in given_sentences for sentence in given)
    assert " ".join(sentence for given in given_sentences for sentence in given) == ("and so on " * 200).strip()


@given(st.lists(st.text(alphabet="ab1. ,!?\n。", max_size=12), max_size=60))
def test_no_letter_is_lost_however_the_text_is_cut(pieces: list[str]) -> None:
    said = "".join(sentence for given in cut(*pieces) for sentence in given)
    assert [c for c in said if c.isalnum()] == [c for c in "".join(pieces) if c.isalnum()]


async def test_the_sound_is_one_stream() -> None:
    service = KServe(WHOLE)
    async with serving(service) as url, AsyncS1Client(url) as client:
        chunks = [chunk async for chunk in client.stream(pieces_of("One. ", "Two. ", "Three."))]
    assert [chunk.index for chunk in chunks] == list(range(6))
    assert [chunk.is_last for chunk in chunks] == [False] * 5 + [True]
    assert [chunk.arrival_s for chunk in chunks] == sorted(chunk.arrival_s for chunk in chunks)
    said = {tensor_of(request, "text").item() for request in service.requests}  # two calls may overtake each other
    assert said == {b"One.", b"Two.", b"Three."}
    assert len({tensor_of(request, "seed").item() for request in service.requests}) == 1


async def test_a_sentence_is_heard_before_the_next_is_written() -> None:
    heard = asyncio.Event()
    async with serving(KServe(WHOLE)) as url, AsyncS1Client(url) as client:
        chunks = []
        async for chunk in client.stream(pieces_of("One. T", heard, "wo.")):
            chunks.append(chunk)
            if chunk.index == 1:
                heard.set()
    assert chunks[1].is_last is False
    assert [chunk.index for chunk in chunks] == [0, 1, 2, 3]
    assert chunks[-1].is_last


async def test_a_flush_says_what_is_pending_while_the_writer_pauses() -> None:
    heard = asyncio.Event()
    service = KServe(WHOLE)
    async with serving(service) as url, AsyncS1Client(url) as client:
        stream = client.stream(pieces_of("One", FLUSH, heard, " two"))
        async for chunk in stream:
            if chunk.index == 1:
                heard.set()
    assert [tensor_of(request, "text").item() for request in service.requests] == [b"One", b"two"]
    assert chunk.is_last


async def test_an_empty_chunk_ends_a_text_that_ends_late() -> None:
    heard = asyncio.Event()
    async with serving(KServe(WHOLE)) as url, AsyncS1Client(url) as client:
        chunks = []
        async for chunk in client.stream(pieces_of("One. ", "🙂", heard)):
            chunks.append(chunk)
            heard.set()
    assert chunks[-1].is_last
    assert sum(chunk.is_last for chunk in chunks) == 1


async def test_the_next_sentence_is_requested_while_the_first_is_heard_and_no_more_than_that() -> None:
    service = KServe(WHOLE)
    async with serving(service) as url, AsyncS1Client(url) as client:
        chunks = aiter(client.stream(pieces_of("One. Two. Three. Four. Five.")))
        assert (await anext(chunks)).index == 0
        await until(lambda: len(service.requests) == 2)
        assert [chunk.index async for chunk in chunks] == list(range(1, 10))


async def test_two_sentences_are_under_way_at_most() -> None:
    service = KServe(endless)
    async with serving(service) as url, AsyncS1Client(url) as client:
        async for _ in client.stream(pieces_of("One. Two. Three. Four.")):
            await until(lambda: len(service.requests) == 2)
            await asyncio.sleep(0.05)
            break
        await service.cancelled.wait()
    assert len(service.requests) == 2


async def test_a_second_cancel_does_not_disturb_the_first() -> None:
    num_ended = 0

    async def model(_request) -> AsyncIterator[Chunk]:
        nonlocal num_ended
        try:
            yield Chunk(0)
            await asyncio.Event().wait()
        finally:
            num_ended += 1

    service = KServe(model)
    async with serving(service) as url, AsyncS1Client(url) as client:
        stream = client.stream(pieces_of("One. Two. Three. Four."), delivery=Delivery(stall_timeout_s=None))
        await anext(aiter(stream))
        await until(lambda: len(service.requests) == 2)
        stream.cancel()
        for _ in range(3):  # while it stops one sentence after the other
            await asyncio.sleep(0)
            stream.cancel()
        await stream.aclose()
        await until(lambda: num_ended == 2)


async def test_a_sentence_that_fails_ends_the_stream_after_what_came_before() -> None:
    async def model(request):
        if tensor_of(request, "text").item() == b"Two.":
            raise RefusalError(grpc.StatusCode.INTERNAL, "internal error 7")
        async for chunk in WHOLE(request):
            yield chunk

    heard: list[int] = []
    async with serving(KServe(model)) as url, AsyncS1Client(url) as client:
        with pytest.raises(ServerError, match="internal error 7"):
            await listen(client.stream(pieces_of("One. Two. Three.")), heard)
    assert heard == [0, 1]


async def test_an_error_of_the_writer_reaches_the_listener() -> None:
    async def write() -> AsyncIterator[str]:
        yield "One. T"
        raise ConnectionError("the model is gone")

    heard: list[int] = []
    async with serving(KServe(WHOLE)) as url, AsyncS1Client(url) as client:
        with pytest.raises(ConnectionError, match="the model is gone"):
            await listen(client.stream(write()), heard)
    assert heard == [0, 1]


async def test_a_text_of_nothing_is_silence() -> None:
    async with AsyncS1Client("localhost:1") as client:
        (chunk,) = [chunk async for chunk in client.stream(pieces_of(" ", "...", "😊"))]
        assert (chunk.index, chunk.is_last, chunk.samples.any()) == (0, True, False)
        with pytest.raises(OptionError, match="seed"):
            client.stream(pieces_of("One."), SpeechOptions(seed=2**63))
