"""A bot that repeats what is typed, through the loudspeaker: the smallest Pipecat pipeline with S1.

    pip install "s1-tts[client,pipecat]" "pipecat-ai[local]"
    python client/examples/bot.py --url localhost:8001

Typing while it speaks interrupts it. A bot on the phone has a transport, a recogniser and a language model in front of
``S1TTSService``, and the rest is as here.
"""

import argparse
import asyncio
import sys

from pipecat.frames.frames import EndFrame, InterruptionFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

from s1_client import AsyncS1Client
from s1_client.pipecat import S1TTSService


def make_output() -> FrameProcessor:
    """The loudspeaker; it needs PortAudio."""
    from pipecat.transports.local.audio import (  # noqa: PLC0415  # an extra of Pipecat
        LocalAudioTransport,
        LocalAudioTransportParams,
    )

    return LocalAudioTransport(LocalAudioTransportParams(audio_out_enabled=True)).output()


async def run_bot(url: str, voice: str | None, output: FrameProcessor) -> None:
    """Speak every line of standard input until it ends."""
    async with AsyncS1Client(url) as client:
        tts = S1TTSService(client, settings=S1TTSService.Settings(voice=voice))
        worker = PipelineWorker(Pipeline([tts, output]), cancel_on_idle_timeout=False)

        async def read_lines() -> None:
            while line := await asyncio.to_thread(sys.stdin.readline):
                await worker.queue_frames([InterruptionFrame(), TTSSpeakFrame(line)])
            await worker.queue_frame(EndFrame())

        runner = WorkerRunner()
        await runner.add_workers(worker)
        await asyncio.gather(runner.run(), read_lines())


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="localhost:8001")
    parser.add_argument("--voice", help="id of a stored voice")
    arguments = parser.parse_args()
    asyncio.run(run_bot(arguments.url, arguments.voice, make_output()))


if __name__ == "__main__":
    main()
