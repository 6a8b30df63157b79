"""Chunks come in order and whole, or an error says what is wrong; leaving the loop stops the server's work."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc.aio import InferenceServerClient

from s1_client import (
    AsyncS1Client,
    CutShortError,
    EarlyEndError,
    ErrorCode,
    OptionError,
    ServerError,
    ServiceClass,
    SpeechOptions,
    StreamGapError,
    UnexpectedAnswerError,
    UnreachableError,
)
from s1_client.options import make_inputs
from s1_client.stream import SpeechStream
from tests.unit.client.kserve import Chunk, KServe, RefusalError, playing, serving, tensor_of

WHOLE = (Chunk(0), Chunk(1), Chunk(2, is_last=True))


async def indices(client: AsyncS1Client) -> list[int]:
    return [chunk.index async for chunk in client.stream("Hello.")]


async def test_chunks_come_in_order_with_their_samples_and_times() -> None:
    sounds = [np.arange(n, dtype=np.int16) for n in (3, 5, 0)]
    model = playing(*(Chunk(i, i == 2, sound) for i, sound in enumerate(sounds)))
    async with serving(KServe(model)) as url, AsyncS1Client(url) as client:
        chunks = [chunk async for chunk in client.stream("Hello.")]
    assert [chunk.index for chunk in chunks] == [0, 1, 2]
    assert [chunk.is_last for chunk in chunks] == [False, False, True]
    for chunk, sound in zip(chunks, sounds, strict=True):
        np.testing.assert_array_equal(chunk.samples, sound)
    assert [chunk.arrival_s for chunk in chunks] == sorted(chunk.arrival_s for chunk in chunks)
    assert chunks[0].arrival_s > 0
    assert chunks[1].duration_s == 5 / 44_100


async def test_the_first_chunk_is_there_before_the_rest_is_made() -> None:
    heard = asyncio.Event()
    async with serving(KServe(playing(Chunk(0), heard.wait(), Chunk(1, True)))) as url, AsyncS1Client(url) as client:
        async for chunk in client.stream("Hello."):
            if chunk.index == 0:
                heard.set()
    assert chunk.is_last


async def test_text_and_given_options_are_sent_and_no_others() -> None:
    service = KServe(playing(*WHOLE))
    options = SpeechOptions(seed=2**62, temperature=0.5, max_frames=7, service=ServiceClass.CALL, voice="änna")
    async with serving(service) as url, AsyncS1Client(url) as client:
        async for _ in client.stream("Grüße, 世界", options):
            pass
    (request,) = service.requests
    assert request.model_name == "s1_mini_stream"
    sent = {tensor.name: (tensor.datatype, tensor_of(request, tensor.name).item()) for tensor in request.inputs}
    assert sent == {
        "text": ("BYTES", "Grüße, 世界".encode()),
        "seed": ("INT64", 2**62),
        "temperature": ("FP32", 0.5),
        "max_frames": ("INT32", 7),
        "service": ("BYTES", b"call"),
        "voice": ("BYTES", "änna".encode()),
    }


async def test_the_message_is_that_of_tritonclient() -> None:
    """Which sends it in three steps, while we send it in one."""
    service = KServe(playing(*WHOLE))
    options = SpeechOptions(
        seed=5, top_p=0.5, normalize=False, reference_audio=[b"a\0b", b""], reference_text=["", "ä"]
    )

    async def only() -> AsyncIterator[dict[str, Any]]:
        yield {
            "model_name": "s1_mini_stream",
            "inputs": make_inputs("Grüße", options),
            "parameters": {"error_code": True},
        }

    async with serving(service) as url, AsyncS1Client(url) as client, InferenceServerClient(url) as triton:
        async for _ in client.stream("Grüße", options):
            pass
        async for _ in triton.stream_infer(only()):
            pass
    ours, theirs = service.requests
    assert ours == theirs


@pytest.mark.parametrize(
    ("chunks", "expected", "got"),
    [
        ((Chunk(0), Chunk(2, True)), 1, 2),
        ((Chunk(1, True),), 0, 1),
        ((Chunk(0), Chunk(0), Chunk(1, True)), 1, 0),
        ((Chunk(0, True), Chunk(1, True)), None, 1),
    ],
    ids=["missing", "first missing", "doubled", "after the last"],
)
async def test_a_gap_is_an_error(chunks: tuple[Chunk, ...], expected: int | None, got: int) -> None:
    async with serving(KServe(playing(*chunks))) as url, AsyncS1Client(url) as client:
        with pytest.raises(StreamGapError) as caught:
            await indices(client)
    assert (caught.value.expected, caught.value.got) == (expected, got)


@pytest.mark.parametrize("chunks", [(), (Chunk(0), Chunk(1))], ids=["no chunk", "no last chunk"])
async def test_an_early_end_is_an_error(chunks: tuple[Chunk, ...]) -> None:
    async with serving(KServe(playing(*chunks))) as url, AsyncS1Client(url) as client:
        with pytest.raises(EarlyEndError) as caught:
            await indices(client)
    assert caught.value.num_chunks == len(chunks)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, ErrorCode.INVALID_ARG),
        (grpc.StatusCode.NOT_FOUND, ErrorCode.NOT_FOUND),
        (grpc.StatusCode.UNAVAILABLE, ErrorCode.UNAVAILABLE),
        (grpc.StatusCode.CANCELLED, ErrorCode.CANCELLED),
        (grpc.StatusCode.INTERNAL, ErrorCode.INTERNAL),
        (grpc.StatusCode.UNIMPLEMENTED, None),
    ],
)
@pytest.mark.parametrize("chunks", [(), (Chunk(0),)], ids=["at once", "in the middle"])
async def test_the_servers_error_keeps_its_code_and_message(
    status: grpc.StatusCode, code: ErrorCode | None, chunks: tuple[Chunk, ...]
) -> None:
    model = playing(*chunks, RefusalError(status, "top_p: got 7; allowed: over 0, to 1"))
    async with serving(KServe(model)) as url, AsyncS1Client(url) as client:
        with pytest.raises(ServerError, match="top_p: got 7; allowed") as caught:
            await indices(client)
    assert caught.value.code is code


async def test_the_servers_message_is_told_without_tritons_prefix() -> None:
    told = RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "top_p: got 7")  # the service puts the prefix before it
    async with serving(KServe(playing(told))) as url, AsyncS1Client(url) as client:
        with pytest.raises(ServerError, match=r"^top_p: got 7$"):
            await indices(client)


async def test_a_server_that_puts_no_code_before_its_messages_is_understood_too() -> None:
    service = KServe(playing(Chunk(0), RefusalError(grpc.StatusCode.INTERNAL, "internal error 7")))
    service.knows_codes = False
    async with serving(service) as url, AsyncS1Client(url) as client:
        with pytest.raises(ServerError, match="internal error 7") as caught:
            await indices(client)
    assert caught.value.code is None


async def test_breaking_out_of_the_loop_cancels_the_request() -> None:
    service = KServe(playing(Chunk(0), asyncio.Event().wait()))
    async with serving(service) as url, AsyncS1Client(url) as client:
        stream = client.stream("Hello.")
        async for _ in stream:
            break
        await service.cancelled.wait()


async def test_who_stops_at_the_last_chunk_lets_the_call_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is on the way; Triton 24.10 may keep the socket of a call that is cancelled just before it."""
    monkeypatch.setattr("s1_client.stream_call.END_TIMEOUT_S", 60.0)
    may_end = asyncio.Event()
    service = KServe(playing(Chunk(0, is_last=True), may_end.wait()))
    async with serving(service) as url, AsyncS1Client(url) as client:
        stream = client.stream("Hello.")
        leaving = asyncio.create_task(leave_at_the_last_chunk(stream))
        await service.requested.wait()
        await asyncio.wait([leaving], timeout=0.2)
        assert not leaving.done()
        may_end.set()
        await leaving
        assert not service.cancelled.is_set()


async def test_a_call_that_never_ends_after_its_last_chunk_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s1_client.stream_call.END_TIMEOUT_S", 0.1)
    service = KServe(playing(Chunk(0, is_last=True), asyncio.Event().wait()))
    async with serving(service) as url, AsyncS1Client(url) as client:
        await leave_at_the_last_chunk(client.stream("Hello."))
        await service.cancelled.wait()


async def leave_at_the_last_chunk(stream: SpeechStream) -> None:
    async with stream:
        async for chunk in stream:
            if chunk.is_last:
                return


async def test_cancel_ends_the_loop_and_the_request() -> None:
    service = KServe(playing(Chunk(0), asyncio.Event().wait()))
    async with serving(service) as url, AsyncS1Client(url) as client:
        stream = client.stream("Hello.")
        read = asyncio.create_task(collect(stream))
        await service.requested.wait()
        stream.cancel()
        assert await read in ([], [0])
        await service.cancelled.wait()


async def test_cancelling_the_callers_task_cancels_the_request() -> None:
    first = asyncio.Event()
    service = KServe(playing(Chunk(0), asyncio.Event().wait()))
    async with serving(service) as url, AsyncS1Client(url) as client:

        async def read() -> None:
            async for _ in client.stream("Hello."):
                first.set()

        task = asyncio.create_task(read())
        await first.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await service.cancelled.wait()


async def test_a_stream_cancelled_before_it_is_read_gives_nothing() -> None:
    async with serving(KServe(playing(*WHOLE))) as url, AsyncS1Client(url) as client:
        stream = client.stream("Hello.")
        stream.cancel()
        assert await collect(stream) == []


async def test_a_stream_is_read_once() -> None:
    async with serving(KServe(playing(*WHOLE))) as url, AsyncS1Client(url) as client:
        stream = client.stream("Hello.")
        assert await collect(stream) == [0, 1, 2]
        with pytest.raises(RuntimeError, match="read once"):
            await collect(stream)


async def test_many_streams_share_one_client() -> None:
    async with serving(KServe(playing(*WHOLE))) as url, AsyncS1Client(url) as client:
        assert await asyncio.gather(*(indices(client) for _ in range(20))) == [[0, 1, 2]] * 20


async def test_no_server_is_an_error_of_its_own() -> None:
    async with AsyncS1Client("127.0.0.1:1") as client:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1"):
            await indices(client)
        with pytest.raises(UnreachableError):
            await client.speak("Hello.")
        with pytest.raises(UnreachableError):
            await client.health()


async def test_a_server_that_goes_away_in_the_middle_is_unreachable() -> None:
    async with serving(KServe(playing(Chunk(0), asyncio.Event().wait()))) as url:
        client = AsyncS1Client(url)
        chunks = aiter(client.stream("Hello."))
        assert (await anext(chunks)).index == 0
    async with client:
        with pytest.raises(UnreachableError):
            await anext(chunks)


async def test_health_names_the_models_that_are_ready() -> None:
    async with serving(KServe(playing())) as url, AsyncS1Client(url) as client:
        health = await client.health()
    assert health.is_ready
    assert health.models == {"s1_mini_stream"}


async def test_speak_gives_one_answer() -> None:
    service = KServe(playing(*WHOLE))
    async with serving(service) as url, AsyncS1Client(url) as client:
        speech = await client.speak("Hello.", SpeechOptions(seed=1))
    assert service.requests[0].model_name == "s1_mini"
    assert (len(speech.samples), speech.sample_rate_hz) == (12, 44_100)


async def test_speak_keeps_the_servers_error() -> None:
    model = playing(RefusalError(grpc.StatusCode.UNAVAILABLE, "the queue is full (64 waiting)"))
    async with serving(KServe(model)) as url, AsyncS1Client(url) as client:
        with pytest.raises(ServerError, match="queue is full") as caught:
            await client.speak("Hello.")
    assert caught.value.code is ErrorCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("text", "options", "field"),
    [
        ("a", SpeechOptions(max_frames=2**31), "max_frames"),
        ("a", SpeechOptions(seed=2**63), "seed"),
        ("\ud800", SpeechOptions(), "text"),
    ],
)
async def test_what_does_not_fit_its_tensor_is_refused_before_it_is_sent(
    text: str, options: SpeechOptions, field: str
) -> None:
    async with AsyncS1Client("127.0.0.1:1") as client:
        with pytest.raises(OptionError) as caught:
            client.stream(text, options)
    assert caught.value.field == field


async def test_bytes_that_are_not_utf8_reach_the_server_as_they_are() -> None:
    service = KServe(playing(*WHOLE))
    async with serving(service) as url, AsyncS1Client(url) as client:
        await collect(client.stream(b"caf\xe9".decode("utf-8", "surrogateescape")))
    assert tensor_of(service.requests[0], "text").item() == b"caf\xe9"


async def test_an_answer_of_another_model_is_told() -> None:
    service = KServe(playing(*WHOLE))

    async def infer_like_the_stream(request, context):
        response = await KServe.ModelInfer(service, request, context)
        del response.outputs[0]
        del response.raw_output_contents[0]
        return response

    service.ModelInfer = infer_like_the_stream  # type: ignore[method-assign]
    async with serving(service) as url, AsyncS1Client(url) as client:
        with pytest.raises(UnexpectedAnswerError, match="s1_mini answered with no audio"):
            await client.speak("Hello.")


async def collect(stream) -> list[int]:
    return [chunk.index async for chunk in stream]


CUT = playing(Chunk(0), Chunk(1, True, is_cut=True))


async def test_speech_that_was_cut_unasked_is_an_error_after_its_last_chunk() -> None:
    async with serving(KServe(CUT)) as url, AsyncS1Client(url) as client:
        chunks = aiter(client.stream("Hello."))
        assert [(await anext(chunks)).is_cut, (await anext(chunks)).is_cut] == [False, True]
        with pytest.raises(CutShortError, match="before all of the text was said"):
            await anext(chunks)
        with pytest.raises(CutShortError):
            await client.speak("Hello.")


async def test_speech_that_was_cut_as_asked_says_so() -> None:
    options = SpeechOptions(max_frames=9)
    async with serving(KServe(CUT)) as url, AsyncS1Client(url) as client:
        assert [chunk.is_cut async for chunk in client.stream("Hello.", options)] == [False, True]
        assert (await client.speak("Hello.", options)).is_cut
    async with serving(KServe(playing(*WHOLE))) as url, AsyncS1Client(url) as client:
        assert not (await client.speak("Hello.", options)).is_cut
