"""A bot's pipeline speaks through a real server, can be interrupted, and outlives a restart of the server."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import soxr

pytest.importorskip("pipecat")


from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSUpdateSettingsFrame,
)
from pipecat.metrics.metrics import TTFBMetricsData, TTSUsageMetricsData
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.tests.utils import run_test

from s1_client import AsyncS1Client, NewRecording, Retry, Speech, SpeechOptions
from s1_client.pipecat import S1TTSService
from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.lm.chunking import ChunkRules
from s1_tts.serving.server import TritonServer
from tests.doc_pages import ROOT, blocks_of
from tests.pipelines import FRAME_LIMIT_S, Line, audio_of, line_of, samples_of
from tests.triton.callers import num_open, read_metrics, until
from tests.triton.conftest import SharedServer

RATE_HZ = 16_000
SHORT = S1TTSService.Settings(seed=3, max_frames=12)
LONG = "This sentence is said again and again, " * 40
ROUNDING = 4
"""The codec rounds otherwise in other company, and resampling adds to it; of 32767."""
CANCELLED = 's1_lm_streams_total{outcome="cancelled"}'


@pytest.fixture
async def s1(server: TritonServer) -> AsyncIterator[AsyncS1Client]:
    async with AsyncS1Client(f"127.0.0.1:{server.ports.grpc}") as client:
        yield client


async def run(processor: FrameProcessor, *frames: Frame) -> list[Frame]:
    """Send frames through a pipeline of Pipecat's own test utilities; gives what came out downstream."""
    params = PipelineParams(audio_out_sample_rate=RATE_HZ, enable_metrics=True, enable_usage_metrics=True)
    down, _ = await run_test(processor, frames_to_send=frames, pipeline_params=params, start_timeout=FRAME_LIMIT_S)
    return list(down)


def turns_of(frames: list[Frame]) -> list[np.ndarray]:
    """Samples of each turn, in order."""
    contexts = dict.fromkeys(frame.context_id for frame in audio_of(frames))
    return [samples_of([frame for frame in audio_of(frames) if frame.context_id == context]) for context in contexts]


async def said_directly(s1: AsyncS1Client, text: str, **options: Any) -> np.ndarray:
    """Samples of a sentence at the pipeline's rate, of the server itself."""
    chosen = SpeechOptions(seed=3, max_frames=12, service=ServiceClass.CALL, **options)
    return soxr.resample((await s1.speak(text, chosen)).samples, 44_100, RATE_HZ)


async def test_a_turn_is_spoken_sentence_by_sentence_at_the_pipelines_rate(s1: AsyncS1Client) -> None:
    words = [LLMTextFrame(text) for text in ("One sen", "tence. And", " another one.")]
    service = S1TTSService(s1, settings=SHORT)
    frames = await run(service, LLMFullResponseStartFrame(), *words, LLMFullResponseEndFrame())
    assert {(frame.sample_rate, frame.num_channels) for frame in audio_of(frames)} == {(RATE_HZ, 1)}
    assert sum(isinstance(frame, TTSStartedFrame) for frame in frames) == 1
    assert sum(isinstance(frame, TTSStoppedFrame) for frame in frames) == 1

    expected = [await said_directly(s1, text) for text in ("One sentence.", "And another one.")]
    (whole,) = turns_of(frames)
    assert abs(len(whole) - sum(map(len, expected))) <= 2  # a half sample for each sentence
    np.testing.assert_allclose(whole[: len(expected[0])], expected[0], atol=ROUNDING)

    measured = [data for frame in frames if isinstance(frame, MetricsFrame) for data in frame.data]
    assert any(isinstance(data, TTFBMetricsData) and data.value > 0 for data in measured)
    assert sum(data.value for data in measured if isinstance(data, TTSUsageMetricsData)) > 0


async def test_a_smile_at_the_end_of_a_reply_is_silence(s1: AsyncS1Client) -> None:
    words = (LLMFullResponseStartFrame(), LLMTextFrame("Great! 😊"), LLMFullResponseEndFrame())
    params = PipelineParams(audio_out_sample_rate=RATE_HZ)
    service = S1TTSService(s1, settings=SHORT)
    down, up = await run_test(service, frames_to_send=words, pipeline_params=params, start_timeout=FRAME_LIMIT_S)
    assert len(turns_of(list(down))) == 1
    assert not [frame for frame in (*down, *up) if isinstance(frame, ErrorFrame)]


async def test_ten_turns_in_a_row_sound_alike(s1: AsyncS1Client) -> None:
    turns = [TTSSpeakFrame("The same again.") for _ in range(10)]
    spoken = turns_of(await run(S1TTSService(s1, settings=SHORT), *turns))
    assert len(spoken) == 10
    for turn in spoken:
        assert len(turn) > 0
        np.testing.assert_allclose(turn, spoken[0], atol=ROUNDING)


async def test_a_bot_changes_between_stored_voices_while_it_runs(s1: AsyncS1Client) -> None:
    voices = {"pipecat-anna": 40, "pipecat-bert": 90}
    for voice, period in voices.items():
        tone = Speech((np.sin(np.arange(2 * 44_100) / period) * 9000).astype(np.int16), 44_100)
        await s1.voices.add(voice, [NewRecording(tone.to_wav(), "A tone.")])
    try:
        anna, bert = (S1TTSService.Settings(voice=voice) for voice in voices)
        say = [TTSSpeakFrame("Who is speaking?") for _ in range(3)]
        changes = [TTSUpdateSettingsFrame(delta=delta) for delta in (bert, anna)]
        service = S1TTSService(s1, settings=replace(SHORT, voice="pipecat-anna"))
        heard = turns_of(await run(service, say[0], changes[0], say[1], changes[1], say[2]))
        first, second = [await said_directly(s1, "Who is speaking?", voice=voice) for voice in voices]
    finally:
        for voice in voices:
            await s1.voices.remove(voice)
    assert not np.array_equal(first, second)
    for turn, expected in zip(heard, (first, second, first), strict=True):
        assert abs(len(turn) - len(expected)) <= 1
        np.testing.assert_allclose(turn[: len(expected)], expected[: len(turn)], atol=ROUNDING)


async def test_an_interruption_stops_the_server_within_two_chunks(s1: AsyncS1Client, server: TritonServer) -> None:
    assert await until(lambda: num_open(server) == 0)
    before = read_metrics(server)
    async with line_of(S1TTSService(s1, settings=replace(SHORT, max_frames=4000)), RATE_HZ) as line:
        await line.send(TTSSpeakFrame(LONG))
        heard = audio_of([*await line.read_to(TTSAudioRawFrame), *await line.read_to(TTSAudioRawFrame)])
        heard += audio_of([line.down.get_nowait() for _ in range(line.down.qsize())])
        await line.send(InterruptionFrame())
        assert await until(lambda: since(server, before, CANCELLED) == 1)
        assert await until(lambda: num_open(server) == 0)
        assert await until(lambda: read_metrics(server)["s1_codec_active_streams"] == 0)
        # Not counted in chunks: the first ones are of 4 frames, and a fast server has many of them on the way.
        heard_frames = sum(frame.num_frames / frame.sample_rate for frame in heard) * FRAMES_PER_SECOND
        largest_chunk = ChunkRules().largest_frames
        assert since(server, before, "s1_lm_frames_total") <= heard_frames + 2 * largest_chunk < 4000
        await line.send(TTSUpdateSettingsFrame(delta=SHORT), TTSSpeakFrame("And on."))
        assert audio_of(await line.read_to(TTSStoppedFrame))


def since(server: TritonServer, before: dict[str, float], name: str) -> float:
    return read_metrics(server)[name] - before[name]


async def test_settings_change_while_the_bot_runs_and_errors_are_told(s1: AsyncS1Client) -> None:
    async with line_of(S1TTSService(s1, settings=SHORT), RATE_HZ) as line:
        await line.send(TTSSpeakFrame("Hello."))
        first = samples_of(await line.read_to(TTSStoppedFrame))
        await line.send(TTSUpdateSettingsFrame(delta=S1TTSService.Settings(seed=4)), TTSSpeakFrame("Hello."))
        second = samples_of(await line.read_to(TTSStoppedFrame))
        assert not np.array_equal(first, second)
        await line.send(TTSUpdateSettingsFrame(delta=S1TTSService.Settings(voice="nobody")), TTSSpeakFrame("Hello."))
        assert "nobody" in (await error_of(line)).error


async def error_of(line: Line) -> ErrorFrame:
    """The next error of ours; Pipecat adds that the turn was silent."""
    while True:
        frame = await asyncio.wait_for(line.up.get(), FRAME_LIMIT_S)
        if isinstance(frame, ErrorFrame) and frame.error.startswith("S1 TTS"):
            return frame


@pytest.mark.ends_its_server
async def test_a_server_that_is_gone_costs_only_what_is_said_meanwhile(
    mortal: TritonServer, shared_mortal: SharedServer
) -> None:
    url = f"127.0.0.1:{mortal.ports.grpc}"
    async with (
        AsyncS1Client(url, retry=Retry(max_attempts=1)) as client,
        line_of(S1TTSService(client, settings=SHORT, stop_frame_timeout_s=0.5), RATE_HZ) as line,
    ):
        try:
            await line.send(TTSSpeakFrame("Hello."))
            assert audio_of(await line.read_to(TTSStoppedFrame))
        finally:
            await asyncio.to_thread(mortal.stop)
        for _ in range(4):  # more silent turns than Pipecat forgives by itself
            await line.send(TTSSpeakFrame("Is anybody there?"))
            assert "no server answers" in (await error_of(line)).error
        again = await asyncio.to_thread(shared_mortal.running)
        assert await until(lambda: num_open(again) == 0)
        while not line.down.empty():
            line.down.get_nowait()
        assert await speak_until_heard(line)


async def speak_until_heard(line: Line) -> list[TTSAudioRawFrame]:
    """The connection looks for the server again every second or two."""
    for _ in range(10):
        await line.send(TTSSpeakFrame("Hello again."))
        spoken = audio_of(await line.read_to(TTSStoppedFrame))
        if spoken:
            return spoken
        await asyncio.sleep(0.5)
    return []


RUNS_IT = """
import asyncio
from pipecat.frames.frames import EndFrame, ErrorFrame, TTSAudioRawFrame, TTSSpeakFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

async def main():
    worker, heard = PipelineWorker(pipeline), []
    worker.set_reached_downstream_filter((TTSAudioRawFrame,))

    @worker.event_handler("on_frame_reached_downstream")
    async def hear(_worker, frame):
        heard.append(frame.audio)

    runner = WorkerRunner()
    await runner.add_workers(worker)
    await worker.queue_frames([TTSSpeakFrame("Hello there."), EndFrame()])
    await runner.run()
    print("heard", len(b"".join(heard)), "bytes")

asyncio.run(main())
"""
"""What a reader adds to the page's lines to hear the bot; the client was made before any event loop."""


async def test_the_lines_of_the_page_are_a_script_that_speaks(s1: AsyncS1Client, server: TritonServer) -> None:
    (lines,) = [block.text for block in blocks_of(ROOT / "docs" / "client.md") if "S1TTSService" in block.text]
    script = lines.replace("localhost:8001", f"127.0.0.1:{server.ports.grpc}").replace(
        'Settings(voice="anna")', 'Settings(voice="page-anna", seed=3, max_frames=12)'
    )
    assert "page-anna" in script
    tone = Speech((np.sin(np.arange(2 * 44_100) / 40) * 9000).astype(np.int16), 44_100)
    await s1.voices.add("page-anna", [NewRecording(tone.to_wav(), "A tone.")])
    try:
        command = [sys.executable, "-c", script + RUNS_IT]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120)
    finally:
        await s1.voices.remove("page-anna")
    assert done.returncode == 0, done.stderr
    samples = int(re.search(r"heard (\d+) bytes", done.stdout)[1]) // 2
    assert samples == pytest.approx(12 * 2048 * 24_000 / 44_100, abs=2), done.stderr
