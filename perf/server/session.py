"""What is measured of one running server."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from perf.conditions import load_average
from perf.engine.reference import ReferenceFigures
from perf.errors import MeasurementError
from perf.load.generator import LoadGenerator, StreamRequest, poisson_arrivals
from perf.load.measures import summarize
from perf.load.streams import StreamRecord
from perf.load.texts import SampleText, read_texts, unique_texts
from perf.server.bare import BareEngine
from perf.server.processes import ProcessGroup, device_memory_mb
from perf.server.results import (
    AddedTime,
    BareComparison,
    BenchFigures,
    Loop,
    ReferenceComparison,
    Run,
)
from perf.server.running import url_of

from s1_client.options import SpeechOptions
from s1_protocol.names import ServiceClass
from s1_tts.serving.repository import Profile
from s1_tts.serving.server import TritonServer

STREAM_TIMEOUT_S = 1800.0
COMPARED_CONCURRENCY = 8
FIRST_CHUNK_FRAMES = 4

SERVICES = {Profile.NOTES: ServiceClass.NOTE, Profile.CALLS: ServiceClass.CALL}


class Requests:
    """Requests without end, no text twice, each bounded by the length that a person would take.

    Args:
        service: Class of the caller.
    """

    def __init__(self, service: ServiceClass) -> None:
        self._service = service
        self._texts = read_texts()
        self._endless: dict[tuple[str, ...], Iterator[tuple[int, SampleText]]] = {}

    def take(self, count: int, lengths: tuple[str, ...], max_frames: int | None = None) -> list[StreamRequest]:
        """The next requests with texts of these lengths; ``max_frames`` bounds them all alike."""
        texts = self._endless.setdefault(lengths, enumerate(unique_texts(self._texts, lengths)))
        return [
            StreamRequest(
                text, SpeechOptions(seed=number, max_frames=max_frames or text.num_frames, service=self._service)
            )
            for number, text in itertools.islice(texts, count)
        ]


@dataclass
class Session:
    """A running server, and what is measured of it.

    Args:
        server: It, ready.
        profile: Its profile.
        requests: What to send.
        result: Where the figures go.
        say: Tells a person how it goes.
    """

    server: TritonServer
    profile: Profile
    requests: Requests
    result: BenchFigures
    say: Callable[[str], None]

    @property
    def url(self) -> str:
        """Host and port for gRPC."""
        return url_of(self.server)

    async def closed(self, concurrency: int, count: int, lengths: tuple[str, ...]) -> Run:
        """Streams of a closed loop."""
        requests = self.requests.take(count, lengths)
        cpu_s = self._processes.cpu_s()
        async with LoadGenerator(self.url, STREAM_TIMEOUT_S) as generator:
            records = await generator.closed_loop(requests, concurrency)
        return self._note(records, cpu_s, lengths, concurrency=concurrency)

    async def opened(self, share: float, count: int, lengths: tuple[str, ...]) -> Run:
        """Streams of an open loop at a share of the best throughput of the closed one."""
        best = max(self.result.closed(self.profile), key=lambda run: run.summary.audio_s_per_s).summary
        rate = share * best.audio_s_per_s / (best.audio_s / best.streams)
        requests = self.requests.take(count, lengths)
        cpu_s = self._processes.cpu_s()
        async with LoadGenerator(self.url, STREAM_TIMEOUT_S) as generator:
            records = await generator.open_loop(requests, poisson_arrivals(rate, count, seed=0))
        return self._note(records, cpu_s, lengths, arrivals_per_s=rate, load_share=share)

    async def beside_bare(self, bare: BareEngine, repeats: int, count: int, lengths: tuple[str, ...]) -> None:
        """Throughput of the server and of the bare engines, in turn, with the same streams."""
        concurrency = COMPARED_CONCURRENCY
        server_rates: list[float] = []
        bare_rates: list[float] = []
        async with LoadGenerator(self.url, STREAM_TIMEOUT_S) as generator:
            for index in range(repeats):
                requests = self.requests.take(count, lengths)
                sides = [(generator.closed_loop, server_rates), (bare.closed_loop, bare_rates)]
                # who goes first changes from pair to pair
                for closed_loop, rates in sides if index % 2 else sides[::-1]:
                    rates.append(summarize(await closed_loop(requests, concurrency)).audio_s_per_s)
        found = BareComparison(concurrency, count, tuple(server_rates), tuple(bare_rates))
        self.result.bare.append(found)
        least, most = min(found.shares), max(found.shares)
        self.say(f"bare engines: the server has {found.share:.0%} of their throughput, {least:.0%} to {most:.0%}")

    async def added_time(self, bare: BareEngine, pairs: int) -> None:
        """First audio of lone requests through the server and through the bare engines, in turn."""
        times: list[tuple[float, float]] = []
        async with LoadGenerator(self.url, STREAM_TIMEOUT_S) as generator:
            for index, request in enumerate(self.requests.take(pairs + 1, ("short",), FIRST_CHUNK_FRAMES)):
                calls = [generator.stream, bare.stream]
                # who goes first changes from pair to pair
                order = calls if index % 2 else calls[::-1]
                records = [await call(index, request) for call in order]
                if failed := [record.error for record in records if not record.is_ok]:
                    raise MeasurementError(f"a lone request failed: {failed[0]}")
                through, beside = records if index % 2 else records[::-1]
                times.append(((through.first_audio_s or 0.0) * 1e3, (beside.first_audio_s or 0.0) * 1e3))
        server_ms, bare_ms = zip(*times[1:], strict=True)  # the first pair warms up
        found = AddedTime(self.profile, server_ms, bare_ms)
        self.result.added.append(found)
        self.say(f"first audio: {median(server_ms):.1f} ms, {found.added_ms:+.1f} ms over the bare engines")

    async def beside_reference(self, reference: ReferenceFigures) -> None:
        """The reference's texts and frames through the server."""
        count = len(reference.short_context.taken_s)
        requests = Requests(SERVICES[self.profile]).take(count, ("short",), reference.frames)
        async with LoadGenerator(self.url, STREAM_TIMEOUT_S) as generator:
            alone = summarize(await generator.closed_loop(requests[:2], 1))
            together = summarize(await generator.closed_loop(requests, COMPARED_CONCURRENCY))
        self.result.reference = ReferenceComparison(reference, alone, together)
        self.say(f"reference: the server has {self.result.reference.throughput_ratio:.1f} times its throughput")

    def note_memory(self, device: torch.device) -> None:
        """Peak memory of every process; the last thing of a session."""
        self.result.memory[self.profile] = self._processes.memory()
        if (used_mb := device_memory_mb(device)) is not None:
            self.result.device_memory_mb[self.profile] = used_mb

    @property
    def _processes(self) -> ProcessGroup:
        return ProcessGroup(self.server.process_id)

    def _note(
        self,
        records: list[StreamRecord],
        cpu_before_s: float,
        lengths: tuple[str, ...],
        *,
        concurrency: int = 0,
        arrivals_per_s: float = 0.0,
        load_share: float = 0.0,
    ) -> Run:
        cpu_s = self._processes.cpu_s() - cpu_before_s
        summary = summarize(records)
        run = Run(
            profile=self.profile,
            loop=Loop.CLOSED if concurrency else Loop.OPEN,
            concurrency=concurrency,
            arrivals_per_s=arrivals_per_s,
            load_share=load_share,
            lengths="+".join(lengths),
            summary=summary,
            cpu_s_per_audio_s=cpu_s / summary.audio_s if summary.audio_s else 0.0,
            load_average=load_average(),
        )
        self.result.runs.append(run)
        load = f"{concurrency:>2} at a time" if concurrency else f"open at {load_share:.0%}"
        first = summary.first_audio_ms
        self.say(
            f"{self.profile}, {load}, {run.lengths}: {summary.ok} of {summary.streams} streams,"
            f" {summary.audio_s_per_s:.2f} s of sound a second, first audio p50 {first.p50 or 0:.0f} ms"
        )
        return run
