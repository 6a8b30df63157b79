"""First audio and underruns for several ways to choose the sizes of chunks.

    .venv/bin/python perf/chunks.py [--checkpoint DIR] [--json]

First on a simulated machine, with noise that is the same for every schedule and costs that were measured, among other
schedules with the one before the present one; then, given a checkpoint, on the real engine and codec in one process.

Streams are listened to at 1x from their first chunk on: an underrun is a chunk that comes after what was sent before
it has been played. A schedule is good when first audio is early, no stream runs dry that the machine could feed with
the smallest chunks, and the chunks are large, since each costs the codec and the transport something.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for perf.machine, which is not installed

from perf.capacity_recording import Recording
from perf.chunk_simulation import COSTS, LastRateSchedule, Schedule, Simulated, cases, simulate
from perf.machine import Machine
from s1_protocol.sound import FRAMES_PER_SECOND, SAMPLE_RATE_HZ
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.device import resolve_device
from s1_tts.lm.chunking import ChunkRules, ChunkSchedule
from s1_tts.lm.engine import LmEngine
from s1_tts.request import Sampling, SpeechRequest
from s1_tts.settings import Settings
from s1_tts.stream import AudioChunk, CodesChunk, StreamFailed

SCHEDULES = {
    "default": ChunkRules(),
    "from 1 frame": ChunkRules(first_frames=1),
    "from 2 frames": ChunkRules(first_frames=2),
    "from 8 frames": ChunkRules(first_frames=8),
    "from 16 frames": ChunkRules(first_frames=16),
    "4 frames always": ChunkRules(largest_frames=4),
    "lead unwatched": ChunkRules(lead_share=1e9, reserve_s=-1e9),
    "codec unwatched": ChunkRules(codec_share=0.0),
    "no reserve": ChunkRules(reserve_s=0.0),
    "a third of the lead": ChunkRules(lead_share=1 / 3, codec_share=0.25),
    "to 256 frames": ChunkRules(largest_frames=256),
}
TEXT = "This is a note of ordinary length that somebody sends to a friend, number {}, with a few words more."
TIMEOUT_S = 600.0


@dataclass
class Outcome:
    """How one schedule did at one concurrency; times are medians over the streams."""

    schedule: str
    concurrency: int
    first_audio_ms: float
    first_audio_worst_ms: float
    mean_chunk_frames: float
    underruns_per_stream: float
    silence_ms_per_stream: float
    real_time_factor: float


class Listener:
    """Hears one stream.

    Args:
        batcher: Decodes its codes.
        done: Released when it has ended.
    """

    def __init__(self, batcher: CodecBatcher, done: threading.Semaphore) -> None:
        self._batcher = batcher
        self._done = done
        self.started_s = time.monotonic()
        self.arrivals: list[tuple[float, float]] = []  # time of arrival, seconds of sound

    def take_codes(self, event: CodesChunk | StreamFailed) -> None:
        """Hand codes to the codec; called by the engine."""
        if isinstance(event, StreamFailed):
            raise RuntimeError(str(event.error))
        self._batcher.submit(event, self.take_audio)

    def take_audio(self, event: AudioChunk | StreamFailed) -> None:
        """Note when sound came; called by the codec."""
        if isinstance(event, StreamFailed):
            raise RuntimeError(str(event.error))
        self.arrivals.append((time.monotonic(), len(event.samples) / SAMPLE_RATE_HZ))
        if event.is_last:
            self._done.release()

    @property
    def first_audio_s(self) -> float:
        """From the request to the first sound."""
        return self.arrivals[0][0] - self.started_s

    def silences_s(self) -> list[float]:
        """Lengths of the gaps in which a listener at 1x had nothing to play."""
        gaps = []
        played_until_s = self.arrivals[0][0]
        for arrived_s, sound_s in self.arrivals:
            if arrived_s > played_until_s and sound_s > 0:
                gaps.append(arrived_s - played_until_s)
            played_until_s = max(played_until_s, arrived_s) + sound_s
        return gaps


def listen(engine: LmEngine, batcher: CodecBatcher, name: str, concurrency: int, num_streams: int) -> Outcome:
    """Run streams, ``concurrency`` at a time, and tell how they did."""
    places = threading.Semaphore(concurrency)
    listeners = []
    started_s = time.monotonic()
    for index in range(num_streams):
        places.acquire(timeout=TIMEOUT_S)
        listener = Listener(batcher, places)
        listeners.append(listener)
        engine.submit(SpeechRequest(TEXT.format(index), Sampling(seed=index)), listener.take_codes)
    for _ in range(concurrency):
        places.acquire(timeout=TIMEOUT_S)
    elapsed_s = time.monotonic() - started_s
    sound_s = sum(sound for listener in listeners for _, sound in listener.arrivals)
    silences = [listener.silences_s() for listener in listeners]
    return Outcome(
        schedule=name,
        concurrency=concurrency,
        first_audio_ms=median(listener.first_audio_s for listener in listeners) * 1e3,
        first_audio_worst_ms=max(listener.first_audio_s for listener in listeners) * 1e3,
        mean_chunk_frames=sound_s * FRAMES_PER_SECOND / sum(len(listener.arrivals) for listener in listeners),
        underruns_per_stream=sum(len(gaps) for gaps in silences) / num_streams,
        silence_ms_per_stream=sum(sum(gaps) for gaps in silences) / num_streams * 1e3,
        real_time_factor=elapsed_s / sound_s,
    )


def simulate_all() -> list[Simulated]:
    """Try every schedule in every simulated case, and the schedule before this one."""

    def by(rules: ChunkRules) -> Callable[[], Schedule]:
        return lambda: ChunkSchedule(rules, 0)

    schedules: dict[str, Callable[[], Schedule]] = {name: by(rules) for name, rules in SCHEDULES.items()}
    schedules["last rate (before)"] = LastRateSchedule
    simulated = []
    for case in cases(Recording.load(COSTS).costs):
        print(f"simulated: {case.name}")
        for name, make in schedules.items():
            one = simulate(case, name, make)
            simulated.append(one)
            print(
                f"    {name:<22}  first audio {one.first_audio_ms:5.0f} ms  {one.mean_chunk_frames:5.1f} frames a chunk"
                f"  dry {one.dry_share:4.0%}, with 4 always not {one.needlessly_dry_share:4.0%}"
                f"  ({one.silence_ms_per_stream:4.0f} ms)"
            )
    return simulated


def measure(arguments: argparse.Namespace) -> list[Outcome]:
    """Try every schedule at every concurrency."""
    settings = Settings(checkpoint=arguments.checkpoint, device=arguments.device, threads=arguments.threads)
    engine, batcher = LmEngine.load(settings), CodecBatcher.load(settings)
    engine.start()
    batcher.start()
    outcomes = []
    for concurrency in arguments.concurrency:
        for name, rules in SCHEDULES.items():
            engine.set_chunk_rules(rules)
            listen(engine, batcher, name, concurrency, concurrency)  # once for nothing: new shapes of batches cost time
            outcome = listen(engine, batcher, name, concurrency, arguments.streams * concurrency)
            outcomes.append(outcome)
            print(
                f"{outcome.concurrency:>3} streams  {name:<22}  first audio {outcome.first_audio_ms:7.0f} ms"
                f" (worst {outcome.first_audio_worst_ms:7.0f})  {outcome.mean_chunk_frames:5.1f} frames a chunk"
                f"  underruns {outcome.underruns_per_stream:5.2f} ({outcome.silence_ms_per_stream:6.0f} ms)"
                f"  RTF {outcome.real_time_factor:.2f}"
            )
    engine.close()
    batcher.close()
    return outcomes


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="none: only the simulation")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of each model; 0: half of the cores")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--streams", type=int, default=3, help="streams for each one at a time")
    parser.add_argument("--json", action="store_true", help="print one JSON line last")
    arguments = parser.parse_args()
    machine = Machine.describe(resolve_device(arguments.device))
    print(machine)
    simulated = simulate_all()
    outcomes = measure(arguments) if arguments.checkpoint else []
    if arguments.json:
        told = {"machine": asdict(machine), "checkpoint": arguments.checkpoint and arguments.checkpoint.name}
        made = {"simulated": simulated, "outcomes": outcomes}
        print(json.dumps(told | {key: [asdict(one) for one in value] for key, value in made.items()}))


if __name__ == "__main__":
    main()
