"""The client, its command and its examples on a real server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
import soundfile
from nbclient import NotebookClient
from typer.testing import CliRunner

from s1_client import AsyncS1Client, Delivery, NewRecording, S1Client, ServerError, Speech, SpeechOptions
from s1_client.audio import join
from s1_client.cli import app
from s1_protocol.version import package_version
from s1_tts.serving.server import TritonServer
from tests.triton.callers import num_open, read_metrics, request_http, until

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "client" / "examples"
OPTIONS = SpeechOptions(seed=3, max_frames=12)
LONG = "This sentence is said again and again, " * 40
ENDLESS = SpeechOptions(seed=3, max_frames=4000)
ROUNDING = 2
"""The codec rounds otherwise in other company; of 32767."""


@pytest.fixture
def url(server: TritonServer) -> str:
    return f"127.0.0.1:{server.ports.grpc}"


async def test_the_stream_and_the_one_answer_sound_alike(url: str) -> None:
    async with AsyncS1Client(url) as client:
        chunks = [chunk async for chunk in client.stream("Hello there.", OPTIONS)]
        speech = await client.speak("Hello there.", OPTIONS)
    assert speech.sample_rate_hz == 44_100
    np.testing.assert_allclose(join(chunks).samples, speech.samples, atol=ROUNDING)


def test_the_synchronous_client_speaks_and_keeps_the_servers_message(url: str) -> None:
    with S1Client(url) as client:
        assert [chunk.index for chunk in client.stream("Hello.", OPTIONS)][:1] == [0]
        with pytest.raises(ServerError, match="top_p"):
            client.speak("Hello.", SpeechOptions(top_p=7))


async def test_leaving_the_loop_frees_the_slot(url: str, server: TritonServer) -> None:
    name = 's1_lm_streams_total{outcome="cancelled"}'
    before = read_metrics(server)[name]
    async with AsyncS1Client(url) as client:
        async for _ in client.stream(LONG, ENDLESS):
            break
        assert await until(lambda: read_metrics(server)[name] == before + 1)
        assert await until(lambda: num_open(server) == 0)


async def test_a_reader_that_stops_reading_holds_up_nobody(url: str) -> None:
    async with AsyncS1Client(url, delivery=Delivery(max_buffered_chunks=1)) as client:
        slow = aiter(client.stream(LONG, ENDLESS))
        await anext(slow)

        async def read() -> bool:
            return [chunk async for chunk in client.stream("Hello.", OPTIONS)][-1].is_last

        assert all(await asyncio.gather(*(read() for _ in range(6))))
        assert (await anext(slow)).index == 1
        await slow.aclose()


async def test_live_text_sounds_as_its_sentences_do(url: str) -> None:
    async def write() -> AsyncIterator[str]:
        for piece in ("One sen", "tence. And", " another one."):
            yield piece

    async with AsyncS1Client(url) as client:
        chunks = [chunk async for chunk in client.stream(write(), OPTIONS)]
        sentences = [await client.speak(text, OPTIONS) for text in ("One sentence.", "And another one.")]
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.is_last for chunk in chunks].count(True) == 1
    expected = np.concatenate([sentence.samples for sentence in sentences])
    np.testing.assert_allclose(join(chunks).samples, expected, atol=ROUNDING)


def test_voices_are_added_used_and_removed(url: str) -> None:
    sound = Speech((np.sin(np.arange(2 * 44_100) / 40) * 9000).astype(np.int16), 44_100)
    with S1Client(url) as client:
        added = client.voices.add("client-test", [NewRecording(sound.to_wav(), "A tone.")], {"language": "en"})
        try:
            assert "client-test" in client.voices.list()
            assert client.voices.show("client-test") == added
            assert client.speak("Hello.", replace(OPTIONS, voice="client-test")).duration_s > 0
        finally:
            client.voices.remove("client-test")
        with pytest.raises(ServerError, match="client-test"):
            client.voices.show("client-test")


def test_doctor_finds_a_usable_server(url: str, server: TritonServer) -> None:
    assert asyncio.run(until(lambda: num_open(server) == 0))  # the page may still count what the tests before asked for
    metrics_url = f"http://127.0.0.1:{server.ports.metrics}/metrics"
    result = CliRunner().invoke(app, ["doctor", "--url", url, "--metrics-url", metrics_url])
    assert result.exit_code == 0, result.stdout
    assert "server: triton 2." in result.stdout
    assert "s1_mini_stream: ready" in result.stdout
    assert "as this client knows them" in result.stdout
    assert f"version: s1-tts {package_version()}" in result.stdout
    assert "checkpoint: tiny. This is a development checkpoint" in result.stdout
    assert "device: cpu, computing in float32" in result.stdout
    assert "0 of 8 slots in use" in result.stdout
    assert "speech: 0." in result.stdout


def test_the_server_names_its_checkpoint_but_not_the_way_to_it(server: TritonServer, checkpoint: Path) -> None:
    page = request_http(server.ports.metrics, "GET", "/metrics").body.decode()
    (line,) = [line for line in page.splitlines() if line.startswith("s1_server_info{")]
    assert 'development="true"' in line
    assert 'slots="8"' in line
    assert str(checkpoint.parent) not in page


def test_batch_speaks_to_files(url: str, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("One.\nTwo.\nThree.\n", encoding="utf-8")
    arguments = ["batch", str(tmp_path / "lines.txt"), str(tmp_path / "out"), "--url", url, "--max-frames", "8"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 4, result.stderr  # random weights are not done after 8 frames
    assert {soundfile.info(file).samplerate for file in (tmp_path / "out").glob("*.wav")} == {44_100}


def run(*command: str | Path) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_example_minimal_grpc(url: str, tmp_path: Path) -> None:
    run(sys.executable, EXAMPLES / "minimal_grpc.py", url, "Hello.", tmp_path / "a.wav")
    assert soundfile.info(tmp_path / "a.wav").frames > 0


def test_example_curl(server: TritonServer, tmp_path: Path) -> None:
    run("sh", EXAMPLES / "curl.sh", f"127.0.0.1:{server.ports.http}", "Hello.", tmp_path / "a.wav")
    assert soundfile.info(tmp_path / "a.wav").samplerate == 44_100


def test_example_sagemaker(server: TritonServer, tmp_path: Path) -> None:
    run("sh", EXAMPLES / "sagemaker.sh", f"127.0.0.1:{server.ports.sagemaker}", "Hello.", tmp_path / "a.wav")
    assert soundfile.info(tmp_path / "a.wav").samplerate == 44_100


def test_example_curl_stream(server: TritonServer) -> None:
    pcm = run("sh", EXAMPLES / "curl_stream.sh", f"127.0.0.1:{server.ports.http}", "Hello.")
    assert len(pcm) > 0
    assert len(pcm) % 2 == 0


def test_example_notebook(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S1_URL", url)
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    printed = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("s at 44100 Hz" in str(output) for output in printed)


async def test_example_bot(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pipecat")
    from pipecat.frames.frames import TTSAudioRawFrame  # noqa: PLC0415  # an extra
    from pipecat.processors.frame_processor import FrameDirection  # noqa: PLC0415
    from pipecat.tests.utils import QueuedFrameProcessor  # noqa: PLC0415

    monkeypatch.syspath_prepend(EXAMPLES)
    import bot  # noqa: PLC0415

    heard: asyncio.Queue = asyncio.Queue()
    reader, writer = os.pipe()
    with os.fdopen(reader) as lines, os.fdopen(writer, "w") as keyboard:
        monkeypatch.setattr(sys, "stdin", lines)
        output = QueuedFrameProcessor(queue=heard, queue_direction=FrameDirection.DOWNSTREAM)
        running = asyncio.create_task(bot.run_bot(url, None, output))
        keyboard.write("Hello.\n")
        keyboard.flush()
        while not isinstance(await asyncio.wait_for(heard.get(), 60), TTSAudioRawFrame):
            pass
        keyboard.close()
        await asyncio.wait_for(running, 60)
