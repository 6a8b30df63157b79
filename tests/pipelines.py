"""Pipecat's pipelines in tests: one that runs, and what comes out of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from pipecat.frames.frames import EndFrame, Frame, TTSAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.tests.utils import QueuedFrameProcessor
from pipecat.workers.runner import WorkerRunner

FRAME_LIMIT_S = 60.0
"""Only so that a test that fails comes to an end."""


@dataclass
class Line:
    """A pipeline that runs, and what comes out of it.

    Pipecat's ``run_test`` sends its frames, the end among them, without looking at what comes back. What waits for
    sound, for the server's end or for its return before it goes on needs this.
    """

    worker: PipelineWorker
    down: asyncio.Queue[Frame]
    up: asyncio.Queue[Frame]

    async def send(self, *frames: Frame) -> None:
        for frame in frames:
            await self.worker.queue_frame(frame)

    async def read_to(self, kind: type[Frame]) -> list[Frame]:
        """Frames downstream up to the next of a kind."""
        frames = []
        while not frames or not isinstance(frames[-1], kind):
            frames.append(await asyncio.wait_for(self.down.get(), FRAME_LIMIT_S))
        return frames


@asynccontextmanager
async def line_of(service: FrameProcessor, rate_hz: int) -> AsyncIterator[Line]:
    down: asyncio.Queue[Frame] = asyncio.Queue()
    up: asyncio.Queue[Frame] = asyncio.Queue()
    source = QueuedFrameProcessor(queue=up, queue_direction=FrameDirection.UPSTREAM)
    sink = QueuedFrameProcessor(queue=down, queue_direction=FrameDirection.DOWNSTREAM)
    params = PipelineParams(audio_out_sample_rate=rate_hz, enable_metrics=True, enable_usage_metrics=True)
    worker = PipelineWorker(Pipeline([source, service, sink]), cancel_on_idle_timeout=False, params=params)
    is_started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def on_started(_worker, _frame) -> None:
        is_started.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        await asyncio.wait_for(is_started.wait(), FRAME_LIMIT_S)
        yield Line(worker, down, up)
    finally:
        await worker.queue_frame(EndFrame())
        await asyncio.wait_for(running, FRAME_LIMIT_S)


def audio_of(frames: list[Frame]) -> list[TTSAudioRawFrame]:
    return [frame for frame in frames if isinstance(frame, TTSAudioRawFrame)]


def samples_of(frames: list[Frame]) -> np.ndarray:
    return np.frombuffer(b"".join(frame.audio for frame in audio_of(frames)), np.int16)
