"""The synchronous client does what the asynchronous one does, and leaves no thread behind."""

import asyncio
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile

from s1_client import Retry, S1Client, ServerError, Speech, SpeechOptions
from tests.full_disk import disk_with_room_for
from tests.unit.client.conftest import Serve
from tests.unit.client.kserve import Chunk, RefusalError, playing, tensor_of

WHOLE = playing(Chunk(0), Chunk(1), Chunk(2, is_last=True))


async def forever() -> None:
    await asyncio.Event().wait()


def test_it_speaks_streams_and_tells_its_health(serve: Serve) -> None:
    url, service = serve(WHOLE)
    with S1Client(url) as client:
        assert client.health().models == {"s1_mini_stream"}
        assert client.speak("Hello.", SpeechOptions(seed=4)).duration_s == 12 / 44_100
        assert [chunk.index for chunk in client.stream("Hello.")] == [0, 1, 2]
    assert tensor_of(service.requests[0], "seed").item() == 4
    assert "s1-client" not in [thread.name for thread in threading.enumerate()]
    client.close()


def test_errors_are_the_same(serve: Serve) -> None:
    url, _ = serve(playing(RefusalError(grpc.StatusCode.UNAVAILABLE, "the queue is full")))
    with S1Client(url, retry=Retry(max_attempts=1)) as client:
        with pytest.raises(ServerError, match="queue is full"):
            client.speak("Hello.")
        with pytest.raises(ServerError, match="queue is full"):
            list(client.stream("Hello."))


def test_breaking_out_of_the_loop_cancels_the_request(serve: Serve) -> None:
    url, service = serve(playing(Chunk(0), forever()))
    with S1Client(url) as client:
        for _ in client.stream("Hello."):
            break
        wait_for(service.cancelled)


def test_cancel_from_another_thread_ends_the_loop(serve: Serve) -> None:
    url, service = serve(playing(Chunk(0), forever()))
    with S1Client(url) as client, client.stream("Hello.") as stream:
        for chunk in stream:
            assert chunk.index == 0
            threading.Thread(target=stream.cancel).start()
        wait_for(service.cancelled)


def test_closing_the_client_ends_what_is_under_way(serve: Serve) -> None:
    url, service = serve(playing(Chunk(0), forever()))
    with S1Client(url) as client:
        chunks = iter(client.stream("Hello."))
        next(chunks)
    wait_for(service.cancelled)


def test_threads_share_a_client(serve: Serve) -> None:
    url, _ = serve(WHOLE)
    heard: list[list[int]] = []
    with S1Client(url) as client:
        threads = [
            threading.Thread(target=lambda: heard.append([chunk.index for chunk in client.stream("Hello.")]))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert heard == [[0, 1, 2]] * 8


def test_live_text_from_a_plain_iterator(serve: Serve) -> None:
    url, service = serve(WHOLE)
    with S1Client(url) as client:
        chunks = list(client.stream(iter(["One sen", "tence. And", " another one."])))
    assert [chunk.index for chunk in chunks] == list(range(6))
    said = {tensor_of(request, "text").item() for request in service.requests}  # two calls may overtake each other
    assert said == {b"One sentence.", b"And another one."}


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_speech_is_saved_by_its_ending(name: str, tmp_path) -> None:
    speech = Speech((np.sin(np.arange(441_000) / 20) * 8000).astype(np.int16), 44_100)
    speech.save(tmp_path / name)
    read, rate_hz = soundfile.read(tmp_path / name, dtype="int16")
    assert rate_hz == 44_100
    assert abs(len(read) - 441_000) < 5_000  # mp3 pads


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_full_disk_leaves_the_older_file(name: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 441_000).astype(np.int16)
    Speech(noise[:4410], 44_100).save(tmp_path / name)
    older = (tmp_path / name).read_bytes()
    with disk_with_room_for(20_000), pytest.raises(OSError, match=name):
        Speech(noise, 44_100).save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == older
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_a_wav_file_in_memory(tmp_path) -> None:
    speech = Speech(np.arange(1000, dtype=np.int16), 44_100)
    (tmp_path / "a.wav").write_bytes(speech.to_wav())
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="int16")[0], speech.samples)


def wait_for(event: asyncio.Event) -> None:
    while not event.is_set():
        threading.Event().wait(0.005)
