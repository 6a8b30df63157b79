"""Record a run of the real server beside what its work takes, for the planner to be held against.

    python -m perf capacity-record --checkpoint DIR [--device cpu] [--dtype float32]

The costs are measured first, part by part and without a server (``calibration.py``); only the way through
Triton is measured on the server, by asking for its list of voices while nothing else runs. Then come the runs: so many
streams at a time, and Poisson arrivals. Before and after each of them the language model alone is asked for codes and
its steps are timed, since a shared machine is not always as fast as it was when the costs were measured. What is kept
of a request is what the planner may know: the tokens of its prompt and the frames that it became.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from perf.capacity.calibration import TEXT, Subject, calibrate
from perf.capacity.costs import Costs
from perf.capacity.recording import Recording, Run, compare
from perf.errors import MeasurementError
from perf.load.generator import LoadGenerator, StreamRequest, poisson_arrivals
from perf.load.streams import StreamRecord
from perf.load.texts import SampleText, read_texts
from perf.measurement import add_subject, recorder
from perf.server.running import running_server, url_of
from tritonclient.grpc.aio import InferenceServerClient, InferInput
from tritonclient.utils import np_to_triton_dtype

from s1_client import AsyncS1Client, SpeechOptions
from s1_protocol.names import Field, ModelName
from s1_protocol.sound import FRAME_SAMPLES
from s1_protocol.text.cleaning import clean_text
from s1_protocol.text.sentences import split_text
from s1_tts.lm.config import LmConfig
from s1_tts.lm.loading import CONFIG_FILE
from s1_tts.lm.prompt import PromptBuilder
from s1_tts.lm.tokenizer import Tokenizer
from s1_tts.serving.server import TritonServer
from s1_tts.settings import Settings
from s1_tts.wire.arrays import scalar
from s1_tts.wire.seal import Seal

HOP_REPEATS = 40
PROBE_ROWS = (1, 4, 8)
PROBE_FRAMES = 64
PROBE_CHUNK_FRAMES = 8
TIMEOUT_S = 300.0


class Prompts:
    """Counts the tokens of prompts, as the engine lays them out.

    Args:
        checkpoint: Folder of the checkpoint.
    """

    def __init__(self, checkpoint: Path) -> None:
        config = LmConfig.read(checkpoint / CONFIG_FILE)
        self._builder = PromptBuilder(Tokenizer(checkpoint), config.num_codebooks)
        self._part_characters = Settings().part_characters

    def is_one_part(self, text: str) -> bool:
        """Whether the engine says a text in one go."""
        return len(split_text(clean_text(text), self._part_characters)) == 1

    def num_tokens(self, text: str) -> int:
        """Positions of the prompt of a text that is one part."""
        part = split_text(clean_text(text), self._part_characters)[0]
        return int(self._builder.first_part(part).shape[1])


class SpeedProbe:
    """How fast the machine is at the moment: a shared one is not always as fast.

    The language model alone is asked for codes, without ensemble and codec, and its steps are timed from outside.

    Args:
        server: The server.
        costs: Costs as they were measured.
    """

    def __init__(self, server: TritonServer, costs: Costs) -> None:
        self._url = url_of(server)
        self._seal = Seal(server.seal_key.encode())
        self._costs = costs

    async def look(self) -> list[float]:
        """Speed over that of the measured costs, for each number of rows."""
        async with InferenceServerClient(self._url) as client:
            return [self._expected_s(rows) / await self._step_s(client, rows) for rows in PROBE_ROWS]

    def _expected_s(self, rows: int) -> float:
        return self._costs.step.seconds(rows, PROBE_FRAMES, PROBE_FRAMES) + self._costs.round_s

    async def _step_s(self, client: InferenceServerClient, rows: int) -> float:
        times_s: list[float] = await asyncio.gather(*(self._frame_s(client, seed) for seed in range(rows)))
        return mean(times_s)

    async def _frame_s(self, client: InferenceServerClient, seed: int) -> float:
        """Seconds a frame of one stream, from its first chunk to its last."""
        tensors = [
            scalar(Field.TEXT, TEXT.encode(), "object"),
            scalar(Field.SEED, seed, "int64"),
            scalar(Field.MAX_FRAMES, PROBE_FRAMES, "int32"),
            scalar(Field.CHUNK_FRAMES, PROBE_CHUNK_FRAMES, "int32"),
        ]
        inputs = [
            InferInput(
                tensor.name, list(tensor.values.shape), np_to_triton_dtype(tensor.values.dtype)
            ).set_data_from_numpy(tensor.values)
            for tensor in self._seal.put_on(tensors)
        ]

        async def requests() -> AsyncIterator[dict[str, Any]]:
            yield {"model_name": ModelName.LLAMA.value, "inputs": inputs}

        arrivals_s = []
        async for _result, error in client.stream_infer(requests()):
            if error is not None:
                raise error
            arrivals_s.append(time.perf_counter())
        return (arrivals_s[-1] - arrivals_s[0]) / (PROBE_FRAMES - PROBE_CHUNK_FRAMES)


async def hop_s(url: str) -> float:
    """Way through Triton into a model and back, on an idle server."""
    times = []
    async with AsyncS1Client(url) as client:
        for _ in range(HOP_REPEATS):
            started_s = time.perf_counter()
            await client.voices.list()
            times.append(time.perf_counter() - started_s)
    return median(times[5:])


async def run_load(
    server: TritonServer, prompts: Prompts, texts: Sequence[SampleText], concurrency: int, arrivals_s: Sequence[float]
) -> Run:
    """Send texts to the server, so many at a time or at given times."""
    requests = [StreamRequest(text, SpeechOptions(seed=seed)) for seed, text in enumerate(texts)]
    async with LoadGenerator(url_of(server), TIMEOUT_S) as generator:
        if concurrency:
            records = await generator.closed_loop(requests, concurrency)
        else:
            records = await generator.open_loop(requests, arrivals_s)
    run = _run_of(records, concurrency, arrivals_s)
    tokens = tuple(prompts.num_tokens(text.text) for text in texts)
    return replace(run, prompt_tokens=tokens)


def _run_of(records: Sequence[StreamRecord], concurrency: int, arrivals_s: Sequence[float]) -> Run:
    if broken := [record for record in records if not record.is_ok]:
        raise MeasurementError(f"{len(broken)} of {len(records)} requests failed, the first with: {broken[0].error}")
    completions_s = [record.chunks[-1].at_s - record.arrived_s for record in records]
    length_s = max(record.chunks[-1].at_s for record in records) - min(record.arrived_s for record in records)
    return Run(
        name=f"{concurrency} at a time" if concurrency else "Poisson arrivals",
        concurrency=concurrency,
        arrivals_s=tuple(round(at_s, 4) for at_s in arrivals_s),
        prompt_tokens=(),
        frames=tuple(record.num_samples // FRAME_SAMPLES for record in records),
        audio_s_per_s=sum(record.audio_s for record in records) / length_s,
        first_audio_p50_s=median(record.first_audio_s or 0.0 for record in records),
        completion_p50_s=median(completions_s),
        completion_p95_s=float(np.percentile(completions_s, 95)),
        speed=1.0,
    )


async def run_all(server: TritonServer, probe: SpeedProbe, arguments: argparse.Namespace) -> list[Run]:
    """Run every load, one after the other, after a few requests to warm up."""
    prompts = Prompts(arguments.checkpoint)
    possible = [text for text in read_texts() if text.length != "long" and prompts.is_one_part(text.text)]
    texts = itertools.cycle(possible)
    take = itertools.islice
    await run_load(server, prompts, list(take(texts, 4)), 4, ())
    runs = []
    for concurrency in arguments.concurrency:
        count = arguments.streams * (concurrency + 1)
        before = await probe.look()
        run = await run_load(server, prompts, list(take(texts, count)), concurrency, ())
        runs.append(replace(run, speed=mean(before + await probe.look())))
        print(runs[-1].name, f"{runs[-1].audio_s_per_s:.2f} audio s/s", flush=True)
    busiest = runs[-1]
    mean_s = sum(busiest.frames) / len(busiest.frames) * FRAME_SAMPLES / 44_100
    rate_per_s = arguments.load * busiest.audio_s_per_s / mean_s
    count = round(rate_per_s * arguments.open_s)
    arrivals_s = poisson_arrivals(rate_per_s, count, seed=1)
    before = await probe.look()
    run = await run_load(server, prompts, list(take(texts, count)), 0, arrivals_s)
    runs.append(replace(run, speed=mean(before + await probe.look())))
    print(runs[-1].name, f"{rate_per_s * 60:.1f} a minute: {runs[-1].audio_s_per_s:.2f} audio s/s", flush=True)
    return runs


def measure(arguments: argparse.Namespace) -> Recording:
    """Measure the costs, then the runs."""
    costs = calibrate(Subject(arguments.checkpoint, arguments.device, arguments.dtype), hop_s=0.0)
    with running_server(arguments.checkpoint, arguments.device, settings={"dtype": arguments.dtype}) as server:
        costs = replace(costs, hop_s=asyncio.run(hop_s(url_of(server))))
        runs = asyncio.run(run_all(server, SpeedProbe(server, costs), arguments))
    return Recording(costs, tuple(runs))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, has_dtype=True)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--streams", type=int, default=5, help="streams for each one at a time, and as many more")
    parser.add_argument(
        "--load", type=float, default=0.7, help="Poisson arrivals, as a share of what the last run took"
    )
    parser.add_argument("--open-s", type=float, default=40.0, help="length of the Poisson arrivals")


def run(arguments: argparse.Namespace) -> None:
    """Measure, record, and print the simulation beside it."""
    made = recorder("capacity-record", arguments)
    recording = measure(arguments)
    made.record(arguments.checkpoint.name, recording)
    for each in compare(recording):
        print(
            f"{each.run}, {each.figure}: {each.measured:.3f}, simulated {each.simulated:.3f} ({each.difference:+.0%})"
        )
    print(f"recorded in {made.file}")
