"""Memory that the parts of ``make up`` take: server, gateway, worker and Redis, with the weights that are named.

    python -m perf memory --checkpoint DIR [--streams 4] [--jobs 40] [--out DIR]

What each part's processes take is summed as PSS, in which what several of them share counts once, twice a second while
one thing after the other is asked: nothing, streams at once in several formats, a voice of a recording, jobs. Shared
memory that a process has mapped is in it. The most of each part and phase is kept. Needs ``redis-server``.
"""

import argparse
import io
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
import psutil
from perf.conditions import ROOT, load_average
from perf.errors import MeasurementError
from perf.gateway import programs
from perf.measurement import add_subject, recorder

from s1_protocol.sound import SAMPLE_RATE_HZ

LOOK_S = 0.5
IDLE_S = 10.0
TIMEOUT_S = 600.0
RECORDING_S = 20
FORMATS = ("mp3", "opus", "flac", "wav")
MAX_FRAMES = 400
"""18.6 s: development checkpoints of any size would else go on for minutes."""
TEXT = "The quick brown fox jumps over the lazy dog, and then it goes home again. "
PARTS = {
    "server": "s1-tts-serve",
    "gateway": "s1-gateway serve",
    "worker": "s1-gateway worker",
    "redis": "redis-server",
}
"""What the command line of each part has."""


@dataclass(frozen=True)
class PartsMemory:
    """What the parts take.

    Args:
        streams: At once.
        jobs: That were done.
        slots: ``S1_MAX_SLOTS`` of the server.
        most_mb: By part and phase, the most PSS of all of its processes.
        load_averages: Of the machine before and after.
    """

    streams: int
    jobs: int
    slots: int
    most_mb: dict[str, dict[str, float]]
    load_averages: list[float]


class Watch:
    """Looks at the parts, in a thread of its own.

    Args:
        parent: Whose children they are.
    """

    def __init__(self, parent: psutil.Process) -> None:
        self._parent = parent
        self.most_mb: dict[str, dict[str, float]] = {part: {} for part in PARTS}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Look while something is done."""
        is_over = threading.Event()
        thread = threading.Thread(target=self._look_on, args=(name, is_over))
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _look_on(self, phase: str, is_over: threading.Event) -> None:
        is_last = False
        while not is_last:
            is_last = is_over.wait(LOOK_S)
            for part, words in PARTS.items():
                took_mb = sum(_pss_mb(each) for each in self._processes(words))
                self.most_mb[part][phase] = max(self.most_mb[part].get(phase, 0.0), took_mb)

    def _processes(self, words: str) -> Iterator[psutil.Process]:
        for child in self._parent.children():
            if words in " ".join(child.cmdline()):
                yield child
                yield from child.children(recursive=True)


def _pss_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def _speak(url: str, number: int) -> None:
    body = {"model": "s1-mini", "voice": "alloy", "input": TEXT * 4, "max_frames": MAX_FRAMES}
    body |= {"response_format": FORMATS[number % len(FORMATS)]}
    httpx2.post(f"{url}/v1/audio/speech", json=body, timeout=TIMEOUT_S).raise_for_status()


def _add_voice(url: str) -> None:
    """Have a recording encoded, which is what the server's voices take most for."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        noise = np.random.default_rng(0).normal(0.0, 3000.0, SAMPLE_RATE_HZ * RECORDING_S)
        recording.writeframes(noise.astype("<i2").tobytes())
    told = {"name": f"memory-{time.time_ns()}", "ref_text": TEXT}
    files = {"audio_sample": ("recording.wav", file.getvalue(), "audio/wav")}
    httpx2.post(f"{url}/v1/audio/voices", data=told, files=files, timeout=TIMEOUT_S).raise_for_status()
    httpx2.delete(f"{url}/v1/audio/voices/{told['name']}", timeout=TIMEOUT_S).raise_for_status()


def _do_jobs(url: str, count: int) -> None:
    texts = [{"text": f"Job number {number}. {TEXT}", "max_frames": MAX_FRAMES} for number in range(count)]
    answer = httpx2.post(f"{url}/v1/audio/speech/batch", json=texts, timeout=TIMEOUT_S).raise_for_status().json()
    ends_s = time.monotonic() + TIMEOUT_S
    for job_id in answer["job_ids"]:
        while (status := httpx2.get(f"{url}/v1/jobs/{job_id}").json()["status"]) != "completed":
            if status not in ("queued", "in_progress") or time.monotonic() > ends_s:
                raise MeasurementError(f"a job is {status}; wanted: completed")
            time.sleep(LOOK_S)


def measure(arguments: argparse.Namespace) -> PartsMemory:
    """Run the set and ask it for one thing after the other.

    Raises:
        MeasurementError: a part does not start, or a job fails.
    """
    before = load_average()
    with tempfile.TemporaryDirectory() as place:
        command: list[str | Path] = [
            programs.BIN / "python",
            ROOT / "scripts" / "up.py",
            "--checkpoint",
            arguments.checkpoint,
        ]
        for port in ("--port", "--grpc-port", "--http-port", "--metrics-port"):
            command += [port, "0"]
        settings = {
            "S1_MAX_SLOTS": str(arguments.slots),
            "S1_VOICES": str(Path(place) / "voices"),
            "S1_GATEWAY_JOBS_FOLDER": str(Path(place) / "jobs"),
            "S1_GATEWAY_STALL_S": str(TIMEOUT_S),
        }
        command += ["--redis-folder", Path(place) / "redis"]
        with programs.running(command, r"(http://127[.\d]+:\d+)/v1/audio/speech", settings) as up:
            watch = Watch(up.process)
            phases: dict[str, Callable[[], None]] = {
                "idle": lambda: time.sleep(IDLE_S),
                "a voice of a recording": lambda: _add_voice(up.address),
                "streams": lambda: _speak_at_once(up.address, arguments.streams),
                "jobs": lambda: _do_jobs(up.address, arguments.jobs),
            }
            for name, ask in phases.items():
                with watch.phase(name):
                    ask()
                print(name, {part: round(most[name]) for part, most in watch.most_mb.items()}, flush=True)
    return PartsMemory(arguments.streams, arguments.jobs, arguments.slots, watch.most_mb, [before, load_average()])


def _speak_at_once(url: str, count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda number: _speak(url, number), range(count)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--streams", type=int, default=4, help="at once (%(default)s)")
    parser.add_argument("--jobs", type=int, default=40, help="(%(default)s)")
    parser.add_argument("--slots", type=int, default=4, help="S1_MAX_SLOTS (%(default)s)")
    add_subject(parser)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and record.

    Raises:
        MeasurementError: something that was asked for was not answered.
    """
    try:
        figures = measure(arguments)
    except httpx2.HTTPError as error:
        raise MeasurementError(f"not answered as it should be: {error}") from error
    recorder("memory", arguments).record(arguments.checkpoint.name, figures)
