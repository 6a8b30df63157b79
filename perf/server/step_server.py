"""What a running server's processes spend on a decode step beside computing: on transport, and in Triton itself.

Told by the kernel's processor times. A model's process has one thread that computes, the busiest; all its other
threads take requests in, make tensors of results and hand them to the server. The server's own process is Triton.
"""

import asyncio
import os
import re
from dataclasses import dataclass

import psutil
from perf.engine.step_parts import Subject
from perf.errors import MeasurementError
from perf.load.generator import LoadGenerator, StreamRequest
from perf.load.scripted_server import ScriptedServer, Target
from perf.load.texts import SampleText

from s1_client.options import SpeechOptions

TEXT = SampleText(
    "en", "long", "This sentence is said again and again, so that no stream ends before the others. " * 20
)
LEAST_FRAMES = 240
"""So many that the steps in which some streams have not yet begun hardly count."""

METRICS_DELAY_S = 1.5
"""Metrics change once a second."""

_MODEL = re.compile(r"/(s1_\w+)/\d+/model\.py")


@dataclass(frozen=True)
class ServerParts:
    """Of the mean decode step, in seconds.

    Args:
        step_s: The step, as the server's metrics tell.
        rows: Streams in it.
        transport_s: Processor time of the models' threads that do not compute.
        triton_s: Processor time of the server's process.
        computing_s: Processor time of the models' threads that compute.
        num_chunks: Chunks of sound sent a step.
    """

    step_s: float
    rows: float
    transport_s: float
    triton_s: float
    computing_s: float
    num_chunks: float


@dataclass(frozen=True)
class Times:
    """Processor seconds so far: of each thread of each model, and of Triton."""

    by_thread: dict[str, dict[int, float]]
    triton_s: float

    @classmethod
    def of(cls, target: Target) -> "Times":
        """Ask the kernel."""
        leader = psutil.Process(target.process_id)
        by_thread: dict[str, dict[int, float]] = {}
        for process in leader.children(recursive=True):
            found = _MODEL.search(" ".join(process.cmdline()))
            if found:
                threads = {thread.id: thread.user_time + thread.system_time for thread in process.threads()}
                by_thread[f"{found[1]} {process.pid}"] = threads
        times = leader.cpu_times()
        return cls(by_thread, times.user + times.system)

    def since(self, before: "Times") -> tuple[float, float, float]:
        """Seconds of computing threads, of the other threads, and of Triton."""
        computing_s = other_s = 0.0
        for name, threads in self.by_thread.items():
            spent = [seconds - before.by_thread.get(name, {}).get(key, 0.0) for key, seconds in threads.items()]
            computing_s += max(spent)
            other_s += sum(spent) - max(spent)
        return computing_s, other_s, self.triton_s - before.triton_s


def server_parts(subject: Subject) -> ServerParts:
    """Start a server and run as many streams as there are rows, all at once."""
    settings = {
        "S1_DTYPE": subject.dtype,
        "S1_THREADS": str(subject.threads),
        "S1_MAX_SLOTS": str(subject.rows),
        "S1_CALL_SLOTS": "0",
    }
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        with ScriptedServer(subject.checkpoint, ("--device", subject.device)) as server:
            return asyncio.run(_run(server.target, subject))
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _run(target: Target, subject: Subject) -> ServerParts:
    async with LoadGenerator(target.url, timeout_s=600.0) as generator:
        await _speak(generator, subject, max_frames=20)
        await asyncio.sleep(METRICS_DELAY_S)
        metrics, times = target.metrics(), Times.of(target)
        await _speak(generator, subject, max_frames=max(2 * subject.steps, LEAST_FRAMES))
        computing_s, transport_s, triton_s = Times.of(target).since(times)
        await asyncio.sleep(METRICS_DELAY_S)
    later = target.metrics()
    grown = {name: value - metrics.get(name, 0.0) for name, value in later.items()}
    steps = grown["s1_lm_step_seconds_count"]
    return ServerParts(
        step_s=grown["s1_lm_step_seconds_sum"] / steps,
        rows=grown["s1_lm_step_rows_sum"] / steps,
        transport_s=transport_s / steps,
        triton_s=triton_s / steps,
        computing_s=computing_s / steps,
        num_chunks=grown["s1_codec_chunks_total"] / steps,
    )


async def _speak(generator: LoadGenerator, subject: Subject, max_frames: int) -> None:
    requests = [StreamRequest(TEXT, SpeechOptions(seed=seed, max_frames=max_frames)) for seed in range(subject.rows)]
    records = await generator.closed_loop(requests, subject.rows)
    if broken := [record for record in records if not record.is_ok]:
        raise MeasurementError(f"{len(broken)} of {len(records)} streams failed, the first with: {broken[0].error}")
