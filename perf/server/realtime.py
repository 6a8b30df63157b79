"""One caller of a server on a CPU: whether speech comes faster than it is played, first audio, memory of each process.

    python -m perf realtime --checkpoint DIR [--weights int8 --weights auto]

Each kind of weights has a server of its own, profile calls, one after the other: streams alone, then first audio of
lone requests without a voice and in a stored one, in turns. Memory is what a process has resident, by model: after the
start, after the streams, and once a recording was encoded. Under eight minutes at full size on two cores.
"""

import argparse
import asyncio
import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from perf.conditions import load_average
from perf.errors import MeasurementError
from perf.load.generator import LoadGenerator, StreamRequest
from perf.load.streams import StreamRecord
from perf.load.texts import SampleText, read_texts, unique_texts
from perf.measurement import add_subject, recorder, seconds
from perf.report.tables import Table, figure
from perf.server.processes import ProcessGroup
from perf.server.running import running_server, url_of
from perf.server.voices import TRANSCRIPT, VOICE_ID, recording

from s1_client import S1Client, SpeechOptions
from s1_client.voices import NewRecording
from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.serving.repository import Profile
from s1_tts.serving.server import TritonServer

WEIGHTS = ("int8", "auto")
RECORDING_S = 10.0
FIRST_FRAMES = 4
WARM_UP_FRAMES = 24
SETTLED_S = 1.0
"""From the first sound on; an underrun later is one that a listener is not to have."""
MODELS = ("s1_llama", "s1_codec", "s1_voice")
TEXTS = ("The quick brown fox jumps over the lazy dog.", "Good morning, how can I help you today?")
"""What is said for first audio; as long as what a caller is greeted with."""


@dataclass(frozen=True)
class Alone:
    """A stream that had the server to itself.

    Args:
        audio_s: Length of its sound.
        rtf: Time from the request to the last sound / length of the sound.
        first_audio_ms: From the request to the first sound.
        underruns: Times that a listener at 1x had nothing to play.
        late_underruns: Of these, those that ended over a second after the first sound.
        silence_s: How long, together.
        cpu_s_per_audio_s: Processor seconds of all the server's processes for a second of sound.
        load_average: Of the machine, at the end.
    """

    audio_s: float
    rtf: float
    first_audio_ms: float
    underruns: int
    late_underruns: int
    silence_s: float
    cpu_s_per_audio_s: float
    load_average: float


@dataclass
class ServerFigures:
    """A server with one kind of weights.

    Args:
        weights: ``S1_WEIGHTS``.
        streams: Streams alone.
        first_audio_ms: Of lone requests without a voice.
        voice_first_audio_ms: Of lone requests in a stored voice that was used before, in turns with those.
        new_voice_ms: The first request in it: ten seconds of recording are encoded, and its prompt computed.
        memory_mb: By model and time, what its process has resident.
    """

    weights: str
    streams: list[Alone] = field(default_factory=list)
    first_audio_ms: list[float] = field(default_factory=list)
    voice_first_audio_ms: list[float] = field(default_factory=list)
    new_voice_ms: float = 0.0
    memory_mb: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def rtf(self) -> float:
        """Median of the streams'."""
        return median(stream.rtf for stream in self.streams)

    @property
    def voice_ratio(self) -> float:
        """First audio in a stored voice over that without one, medians."""
        return median(self.voice_first_audio_ms) / median(self.first_audio_ms)


@dataclass
class RealtimeFigures:
    """Of each kind of weights."""

    servers: list[ServerFigures]


def realtime_table(figures: RealtimeFigures) -> Table:
    """One row for each goal, one column for each kind of weights."""
    servers = figures.servers

    def row(name: str, cell: Callable[[ServerFigures], str], goal: str) -> tuple[str, ...]:
        return name, *map(cell, servers), goal

    def of_streams(pick: Callable[[Alone], float]) -> Callable[[ServerFigures], float]:
        return lambda server: median(pick(stream) for stream in server.streams)

    cpu_s, rtf = of_streams(lambda stream: stream.cpu_s_per_audio_s), of_streams(lambda stream: stream.rtf)
    rows = [
        row("RTF of a stream alone", lambda server: figure(rtf(server), 2), "under 0.9"),
        row("processor time of a second of sound", lambda server: figure(cpu_s(server), 2, " s"), ""),
        row(
            "underruns over 1 s after the first sound",
            lambda server: (
                f"{sum(stream.late_underruns for stream in server.streams)} in {len(server.streams)} streams"
            ),
            "none",
        ),
        row("first audio without a voice", lambda server: figure(median(server.first_audio_ms), 0, " ms"), "400 ms"),
        row("with a stored one / without", lambda server: figure(server.voice_ratio, 2), "at most 1.15"),
        row("first request in a new voice of 10 s", lambda server: figure(server.new_voice_ms / 1e3, 1, " s"), ""),
    ]

    def memory_of(model: str) -> Callable[[ServerFigures], str]:
        return lambda server: " / ".join(figure(now[model]) for now in server.memory_mb.values()) + " MB"

    goals = {"s1_llama": "1 500 MB with int8", "s1_voice": "900 MB until a voice is encoded"}
    times = ", ".join(servers[0].memory_mb)
    rows += [row(f"memory of `{model}`: {times}", memory_of(model), goals.get(model, "")) for model in MODELS]
    return Table("One caller", ("", *(f"`S1_WEIGHTS={server.weights}`" for server in servers), "goal"), rows)


def alone(record: StreamRecord, cpu_s: float) -> Alone:
    """What a stream was like.

    Raises:
        MeasurementError: it did not come whole.
    """
    if not record.is_ok or record.rtf is None or record.first_audio_s is None:
        raise MeasurementError(f"a stream failed: {record.error or record.outcome}")
    return Alone(
        audio_s=record.audio_s,
        rtf=record.rtf,
        first_audio_ms=record.first_audio_s * 1e3,
        underruns=len(record.underruns_s),
        late_underruns=late_underruns(record),
        silence_s=sum(record.underruns_s),
        cpu_s_per_audio_s=cpu_s / record.audio_s,
        load_average=load_average(),
    )


def late_underruns(record: StreamRecord) -> int:
    """Silences that ended over ``SETTLED_S`` after the first sound."""
    found, begun_s = 0, record.chunks[0].at_s
    played_until_s = begun_s
    for chunk in record.chunks:
        found += chunk.at_s > max(played_until_s, begun_s + SETTLED_S)
        played_until_s = max(played_until_s, chunk.at_s) + chunk.audio_s
    return found


def _texts(count: int) -> Sequence[SampleText]:
    return list(itertools.islice(unique_texts(read_texts(), ("medium",)), count))


async def _streams(server: TritonServer, count: int, num_frames: int) -> list[Alone]:
    """Streams one after the other; the first one before them, which warms up, does not count."""
    processes, found = ProcessGroup(server.process_id), []
    async with LoadGenerator(url_of(server)) as generator:
        for index, text in enumerate(_texts(count + 1)):
            frames = num_frames if index else WARM_UP_FRAMES
            options = SpeechOptions(seed=index, max_frames=frames, service=ServiceClass.CALL)
            before_s = processes.cpu_s()
            record = await generator.stream(index, StreamRequest(text, options))
            stream = alone(record, processes.cpu_s() - before_s)
            if index:
                found.append(stream)
    return found


def _memory(server: TritonServer) -> dict[str, float]:
    processes = ProcessGroup(server.process_id).memory()
    return {each.name: round(each.now_mb, 1) for each in processes if each.name in MODELS}


def measure_server(arguments: argparse.Namespace, weights: str) -> ServerFigures:
    """All that is measured of one kind of weights."""
    found = ServerFigures(weights)
    num_frames = round(arguments.seconds * FRAMES_PER_SECOND)
    with (
        tempfile.TemporaryDirectory() as voices,
        running_server(
            arguments.checkpoint,
            arguments.device,
            profile=Profile.CALLS,
            settings={"voices": voices, "weights": weights},
        ) as server,
    ):
        found.memory_mb["after the start"] = _memory(server)
        found.streams = asyncio.run(_streams(server, arguments.streams, num_frames))
        found.memory_mb["after the streams"] = _memory(server)
        with S1Client(url_of(server)) as client:
            client.voices.add(VOICE_ID, [NewRecording(recording(RECORDING_S), TRANSCRIPT)])

            def first_ms(voice: str | None, seed: int) -> float:
                options = SpeechOptions(voice=voice, seed=seed, max_frames=FIRST_FRAMES, chunk_frames=FIRST_FRAMES)
                text = TEXTS[seed % len(TEXTS)]
                return seconds(lambda: next(iter(client.stream(text, options)))) * 1e3

            found.new_voice_ms = first_ms(VOICE_ID, 0)
            first_ms(VOICE_ID, 1)
            for seed in range(arguments.repeats):
                for voice, times in ((None, found.first_audio_ms), (VOICE_ID, found.voice_first_audio_ms)):
                    times.append(first_ms(voice, seed))
        found.memory_mb["after a voice"] = _memory(server)
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser)
    parser.add_argument(
        "--weights", action="append", choices=WEIGHTS, help="S1_WEIGHTS, may be given twice; both if left out"
    )
    parser.add_argument("--streams", type=int, default=3, help="streams alone (%(default)s)")
    parser.add_argument("--seconds", type=float, default=12.0, help="of sound of each stream (%(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="requests for first audio, each way (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and record.

    Raises:
        MeasurementError: a stream failed.
        S1Error: a server did not start.
    """
    servers = []
    for weights in arguments.weights or WEIGHTS:
        servers.append(measure_server(arguments, weights))
        print(f"{weights}: RTF {servers[-1].rtf:.2f}, {servers[-1]}", flush=True)
    recorder("realtime", arguments).print_and_record(arguments.checkpoint.name, RealtimeFigures(servers))
