"""The two sides of the contention: steps of a language model, and a codec without pause."""

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch

from perf.gpu.stage import NUM_POSITIONS
from perf.gpu.timing import random_lm, wait
from s1_protocol.sound import FRAME_SAMPLES, SAMPLE_RATE_HZ
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.cuda import enter
from s1_tts.lm.loading import LanguageModel, make_runner
from s1_tts.lm.stepping import Row
from s1_tts.lm.tokenizer import Tokenizer
from s1_tts.speech_task import Sampling

ROWS, STREAMS, FRAMES = 8, 32, 20
SECONDS, REHEARSED_SECONDS = 3.0, 0.5
READY_S = 60.0
"""What a side has to get ready."""

Figures = dict[str, float]


def prepare_steps(device: torch.device, size: str, checkpoint: Path) -> Callable[[], Figures]:
    """Make a model; the result steps it for a while."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = random_lm(device, dtype, size, NUM_POSITIONS)
    runner = make_runner(LanguageModel(model, Tokenizer(checkpoint), NUM_POSITIONS, 0), ROWS)
    runner.warm_up()
    for slot in range(ROWS):
        runner.open(slot, Sampling(seed=slot))
        runner.start(slot, np.zeros(1 + model.config.num_codebooks, dtype=np.int64))
    rows = [Row(slot, 200) for slot in range(ROWS)]

    def step() -> Figures:
        times, ends_s = [], time.perf_counter() + seconds_on(device)
        while (started_s := time.perf_counter()) < ends_s:
            runner.launch(rows)
            runner.collect()
            times.append(time.perf_counter() - started_s)
        times.sort()
        return {"step_ms_p50": times[len(times) // 2] * 1e3, "step_ms_p99": times[int(len(times) * 0.99)] * 1e3}

    return step


def prepare_codec(device: torch.device, size: str, checkpoint: Path) -> Callable[[], Figures]:
    """Load a decoder; the result decodes for a while."""
    decoder = StreamingDecoder.load(checkpoint, device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    streams = STREAMS if device.type == "cuda" else 2
    if device.type == "cuda":
        decoder.use_kernels()
    decoder.use_graphs(streams, streams, (FRAMES,), trying_s=0.0)
    states = [decoder.new_state() for _ in range(streams)]
    codes = [torch.zeros(decoder.config.num_codebooks, FRAMES, dtype=torch.int64)] * streams
    decoder.decode(states, codes)

    def decode() -> Figures:
        started_s, count = time.perf_counter(), 0
        while time.perf_counter() - started_s < seconds_on(device):
            decoder.decode(states, codes)
            wait_for(device)
            count += 1
        audio_s = count * streams * FRAMES * FRAME_SAMPLES / SAMPLE_RATE_HZ
        return {"audio_s_per_s": audio_s / (time.perf_counter() - started_s)}

    return decode


def seconds_on(device: torch.device) -> float:
    """How long a side runs."""
    return SECONDS if device.type == "cuda" else REHEARSED_SECONDS


def wait_for(device: torch.device) -> None:
    """Wait for this thread's own stream, not for the other side's work."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


PREPARE = {"steps": prepare_steps, "codec": prepare_codec}


def run_side(
    name: str,
    device: torch.device,
    size: str,
    checkpoint: Path,
    begin: Callable[[], None],
    preparing: AbstractContextManager[object],
) -> Figures:
    """Prepare a side on a stream of its own, wait for the sign to begin, and run it."""
    enter(device)
    stream = torch.cuda.stream(torch.cuda.Stream(device)) if device.type == "cuda" else nullcontext()  # type: ignore[no-untyped-call]
    with torch.inference_mode(), stream:
        with preparing:
            work = PREPARE[name](device, size, checkpoint)
            wait(device)
        begin()
        return work()


def in_one_process(device: torch.device, size: str, checkpoint: Path) -> Figures:
    """Both sides as threads of this process.

    One captures its graphs before the other begins: waiting for a device, as each capture does first, is forbidden
    while another thread captures, and spoils what that one captures.
    """
    ready, preparing, found = threading.Barrier(len(PREPARE)), threading.Lock(), {}

    def side(name: str) -> None:
        found.update(run_side(name, device, size, checkpoint, lambda: void(ready.wait(READY_S)), preparing))

    threads = [threading.Thread(target=side, args=(name,), name=name) for name in PREPARE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def void(_: object) -> None:
    """Take a result and give none."""


def main() -> None:
    """Be one side in a process of its own: say that it is ready, begin at a line of input, print figures."""
    name, device, size, checkpoint = sys.argv[1:]
    if device == "cpu":
        torch.set_num_threads(1)

    def begin() -> None:
        print("ready", flush=True)
        sys.stdin.readline()

    print(json.dumps(run_side(name, torch.device(device), size, Path(checkpoint), begin, nullcontext())), flush=True)


if __name__ == "__main__":
    main()
