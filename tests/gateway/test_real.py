"""The gateway before a real Triton with the demo voice, as ``make up`` starts both."""

import asyncio
import fcntl
import io
import json
import re
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fishaudio
import httpx2
import numpy as np
import openai
import pytest
import soxr
from fishaudio.types import ReferenceAudio, TTSConfig
from playwright.sync_api import expect
from websockets.asyncio.client import connect

from s1_client import AsyncS1Client, Gateway, S1Client, ServiceClass, SpeechOptions
from s1_gateway.speech import WHOLE_FRAMES
from tests.gateway.browser import chromium, opened
from tests.gateway.hearing import hear_file
from tests.gateway.running import until

ROOT = Path(__file__).resolve().parents[2]
DEMO_VOICE = ROOT / "checkpoints" / "demo-voice"
TEXT = "Hello there, this is the gateway."
LONG_TEXT = "This sentence is said and then it is said again and again, " * 8

pytestmark = pytest.mark.triton


@dataclass(frozen=True)
class Stack:
    """What ``make up`` runs.

    Args:
        address: The gateway's.
        server: The server's gRPC address.
        metrics: Address of its metrics.
        told: What it prints when it is ready.
    """

    address: str
    server: str
    metrics: str
    told: str

    @property
    def num_active(self) -> float:
        """Sequences that the language model works on."""
        return self._metric("s1_lm_active_sequences", "")

    @property
    def num_cancelled(self) -> float:
        """Streams that it stopped as nobody heard them any more."""
        return self._metric("s1_lm_streams_total", 'outcome="cancelled"')

    def _metric(self, name: str, label: str) -> float:
        page = httpx2.get(self.metrics).text
        series = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, flags=re.MULTILINE)
        return sum(float(value) for labels, value in series if label in labels)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    script = ROOT / "scripts" / "up.py"
    command = [sys.executable, script, "--checkpoint", DEMO_VOICE]
    command += ["--port", "0", "--grpc-port", "0", "--http-port", "0", "--metrics-port", "0"]
    folder = tmp_path_factory.mktemp("up")
    command += ["--redis-folder", folder / "redis"]
    log = (folder / "log.txt").open("w+")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            told = ""
            for line in process.stdout:
                told += line
                if "Ctrl+C" in line:
                    break
            found = re.search(r"server 127\.0\.0\.1:(\d+), its metrics 127\.0\.0\.1:(\d+)", told)
            assert found, (told, Path(log.name).read_text()[-3000:])
            address = re.search(r"ready on http://(\S+);", told)[1]
            yield Stack(address, f"127.0.0.1:{found[1]}", f"http://127.0.0.1:{found[2]}/metrics", told)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(90) == 0


@pytest.fixture
def sdk(stack: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://{stack.address}/v1", api_key="unused", max_retries=0) as client:
        yield client


async def said_directly(stack: Stack, text: str, service: ServiceClass = ServiceClass.NOTE) -> np.ndarray:
    """Samples of a text, of the server itself."""
    options = SpeechOptions(seed=5, max_frames=WHOLE_FRAMES, service=service)
    async with AsyncS1Client(stack.server) as client:
        return np.concatenate([chunk.samples async for chunk in client.stream(text, options)])


def test_wav_has_the_very_samples_of_the_server(stack: Stack, sdk: openai.OpenAI) -> None:
    request = {"model": "m", "voice": "alloy", "input": TEXT, "response_format": "wav", "extra_body": {"seed": 5}}
    heard = hear_file(sdk.audio.speech.create(**request).content)
    direct = asyncio.run(said_directly(stack, TEXT))
    assert heard.rate_hz == 44_100
    assert len(heard.samples) == len(direct)
    np.testing.assert_allclose(heard.samples * 32768, direct, atol=4)  # the codec rounds otherwise in other company


def test_a_job_has_the_very_samples_too(stack: Stack) -> None:
    with S1Client(gateway=Gateway(url=f"http://{stack.address}")) as client:
        taken = client.jobs.submit(TEXT, SpeechOptions(seed=5))
        assert client.jobs.wait(taken.id, deadline_s=120).status == "completed"
        heard = hear_file(client.jobs.content(taken.id))
    direct = asyncio.run(said_directly(stack, TEXT))
    assert len(heard.samples) == len(direct)
    np.testing.assert_allclose(heard.samples * 32768, direct, atol=4)


def test_two_do_not_write_to_one_redis_folder(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, ROOT / "scripts" / "up.py", "--checkpoint", DEMO_VOICE, "--redis-folder", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "another one keeps its jobs" in done.stderr


def test_pcm_is_the_same_at_24_khz(stack: Stack, sdk: openai.OpenAI) -> None:
    request = {"model": "m", "voice": "alloy", "input": TEXT, "response_format": "pcm", "extra_body": {"seed": 5}}
    samples = np.frombuffer(sdk.audio.speech.create(**request).content, "<i2")
    expected = soxr.resample(asyncio.run(said_directly(stack, TEXT)), 44_100, 24_000)
    assert abs(len(samples) - len(expected)) <= 2
    common = min(len(samples), len(expected))
    assert np.corrcoef(samples[:common], expected[:common])[0, 1] > 0.999


async def test_our_socket_says_it_too(stack: Stack) -> None:
    async with connect(f"ws://{stack.address}/v1/audio/stream") as socket:
        await socket.send(json.dumps({"text": TEXT, "seed": 5, "sample_rate": 44_100}))
        sound = b""
        while isinstance(message := await socket.recv(), bytes):
            sound += message
    assert json.loads(message) == {"done": True}
    direct = await said_directly(stack, TEXT, ServiceClass.CALL)
    np.testing.assert_allclose(np.frombuffer(sound, "<i2").astype(int), direct, atol=4)


async def test_a_cancel_frees_the_slot(stack: Stack) -> None:
    before = stack.num_cancelled
    async with connect(f"ws://{stack.address}/v1/audio/stream") as socket:
        await socket.send(json.dumps({"text": LONG_TEXT, "context_id": "a"}))
        assert json.loads(await socket.recv())["start"]
        assert isinstance(await socket.recv(), bytes)
        await socket.send(json.dumps({"cancel": True}))
        while isinstance(message := await socket.recv(), bytes):
            pass
        assert json.loads(message)["cancelled"]
        await asyncio.to_thread(until, lambda: stack.num_cancelled > before and stack.num_active == 0)


async def test_a_cancel_on_cartesias_socket_frees_the_slot(stack: Stack) -> None:
    sound = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000}
    async with connect(f"ws://{stack.address}/tts/websocket") as socket:
        for name in "abc":
            before = stack.num_cancelled
            await socket.send(json.dumps({"context_id": name, "transcript": LONG_TEXT, "output_format": sound}))
            assert json.loads(await socket.recv())["type"] == "chunk"
            await socket.send(json.dumps({"context_id": name, "cancel": True}))
            while (message := json.loads(await socket.recv()))["type"] == "chunk":
                assert message["context_id"] == name
            assert message == {"type": "done", "context_id": name, "done": True, "status_code": 200}
            await asyncio.to_thread(until, lambda before=before: stack.num_cancelled > before and stack.num_active == 0)
        # nothing of it comes any more, and the socket goes on
        await socket.send(json.dumps({"context_id": "b", "transcript": "Hello.", "output_format": sound}))
        while (message := json.loads(await socket.recv()))["type"] == "chunk":
            assert message["context_id"] == "b"
        assert message["context_id"] == "b"


def test_fish_says_the_very_samples_of_the_server(stack: Stack) -> None:
    request = {"text": TEXT, "format": "wav", "seed": 5, "temperature": 0.8, "top_p": 0.8, "repetition_penalty": 1.1}
    answer = httpx2.post(f"http://{stack.address}/v1/tts", json=request, timeout=60)
    heard = hear_file(answer.content)
    direct = asyncio.run(said_directly(stack, TEXT, ServiceClass.CALL))
    assert heard.rate_hz == 44_100
    np.testing.assert_allclose(heard.samples * 32768, direct, atol=4)


def test_fish_speaks_with_a_recording_that_comes_along_and_with_a_stored_one(stack: Stack) -> None:
    with fishaudio.FishAudio(api_key="unused", base_url=f"http://{stack.address}") as fish:
        recording = fish.tts.convert(text=TEXT, config=TTSConfig(format="wav"))
        reference = ReferenceAudio(audio=recording, text=TEXT)
        sound = fish.tts.convert(text="Hello.", references=[reference], config=TTSConfig(format="wav"))
        assert hear_file(sound).duration_s > 0.2
        voice = fish.voices.create(title="Anna", voices=[recording, recording], texts=[TEXT, TEXT])
        try:
            assert [sample.text for sample in fish.voices.get(voice.id).samples] == [TEXT, TEXT]
            config = TTSConfig(format="wav", reference_id=voice.id)
            pieces = list(fish.tts.stream_websocket(iter(["Hello. ", "Goodbye."]), config=config))
            assert hear_file(b"".join(pieces)).duration_s > 0.4
        finally:
            fish.voices.delete(voice.id)


def test_a_caller_who_leaves_frees_the_slot(stack: Stack) -> None:
    before = stack.num_cancelled
    request = {"model": "m", "voice": "alloy", "input": LONG_TEXT, "response_format": "pcm"}
    with httpx2.stream("POST", f"http://{stack.address}/v1/audio/speech", json=request, timeout=60) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
    until(lambda: stack.num_cancelled > before and stack.num_active == 0)


def test_a_voice_is_stored_and_spoken_with(stack: Stack, sdk: openai.OpenAI) -> None:
    url = f"http://{stack.address}/v1/audio/voices"
    recording = sdk.audio.speech.create(model="m", voice="nova", input=TEXT, response_format="wav").content
    files = {"audio_sample": ("nova.wav", recording, "audio/wav")}
    made = httpx2.post(url, data={"name": "nova2", "ref_text": TEXT}, files=files, timeout=60)
    assert made.status_code == 200, made.text
    try:
        assert "nova2" in {voice["id"] for voice in httpx2.get(url).json()["voices"]}
        answer = sdk.audio.speech.create(model="m", voice="nova2", input="Hello.", response_format="wav")
        assert hear_file(answer.content).duration_s > 0.2
    finally:
        assert httpx2.delete(f"{url}/nova2").json()["deleted"]


def test_a_voice_recorded_in_a_browser_is_spoken_with(stack: Stack, sdk: openai.OpenAI, tmp_path: Path) -> None:
    spoken = sdk.audio.speech.create(model="m", voice="nova", input=TEXT, response_format="pcm").content
    microphone = tmp_path / "microphone.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(spoken)
    with chromium(microphone) as browser, opened(browser, f"http://{stack.address}", bypass_csp=True) as page:
        page.open_with_tap()
        page.page.click("#record-voice")
        page.page.fill("#said", f"{TEXT} {TEXT}")
        page.page.click("#record")
        expect(page.page.locator("#record-label")).to_have_text(re.compile(r"Stop \(0:0[4-9]\)"))
        page.page.click("#record")
        page.page.fill("#name", "recorded")
        page.page.check("#consent")
        page.page.click("#save-voice")
        page.expect_voice("recorded")
        try:
            page.speak("Hello.")
            page.expect_status("That was all.")
            name, kept = page.download()
            assert name.startswith("recorded-")
            assert kept.duration_s > 0.2
            assert np.abs(page.rendered()).max() > 0.05
        finally:
            page.page.once("dialog", lambda dialog: dialog.accept())
            page.page.click("#remove-voice")
            page.expect_voice("default")
    assert "recorded" not in {
        voice["id"] for voice in httpx2.get(f"http://{stack.address}/v1/audio/voices").json()["voices"]
    }


def test_errors_are_the_servers_words(stack: Stack, sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="nobody"):
        sdk.audio.speech.create(model="m", voice="nobody", input=TEXT)
    files = {"audio_sample": ("a.wav", b"no sound", "audio/wav")}
    url = f"http://{stack.address}/v1/audio/voices"
    refused = httpx2.post(url, data={"name": "noise", "ref_text": TEXT}, files=files)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"]


def test_make_up_prints_a_line_to_try_for_each_protocol(stack: Stack, tmp_path: Path) -> None:
    lines = re.findall(r"^ +\w+ +(curl .*)$", stack.told, flags=re.MULTILINE)
    for line in lines:
        subprocess.run(["bash", "-euc", line], cwd=tmp_path, check=True, capture_output=True)
    made = list(tmp_path.glob("*.mp3"))
    assert len(made) == len(lines) >= 2
    assert all(hear_file(path.read_bytes()).duration_s > 0.2 for path in made)
    assert f"ws://{stack.address}/v1/audio/stream" in stack.told


def test_wav_without_a_known_length_is_read_by_the_standard_library(sdk: openai.OpenAI) -> None:
    content = sdk.audio.speech.create(model="m", voice="alloy", input="Hello.", response_format="wav").content
    with wave.open(io.BytesIO(content)) as file:
        assert file.getframerate() == 44_100
        assert len(file.readframes(10**9)) > 0
