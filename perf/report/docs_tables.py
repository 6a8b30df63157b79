"""Tables of docs/, made of the committed records; ``make docs`` writes them."""

from collections.abc import Callable
from typing import TypeVar

from perf.capacity.command import CapacityFigures
from perf.capacity.day_command import DayFigures
from perf.capacity.recording import COMPARED, Recording, compare
from perf.engine.codec import CodecFigures
from perf.engine.lm import LmFigures
from perf.engine.rounding import RoundingFigures
from perf.errors import MeasurementError
from perf.gateway.command import GatewayFigures, RealFigures
from perf.jobs.command import JobFigures, RealJobFigures
from perf.load.load_test import LoadFigures
from perf.records import RESULTS, Record, read_records
from perf.report.day_tables import best_table, calls_table, check_table, threshold_table, trouble_table
from perf.report.gateway_tables import gateway_table
from perf.report.goals import MAX_ADDED_MS, MAX_TAIL, MIN_SHARE_OF_BARE, bench_goals
from perf.report.siege_tables import siege_figures_table, siege_table
from perf.report.tables import Table, figure
from perf.server.client import BOUND_MS, ClientFigures
from perf.server.hearing import Hearing
from perf.server.realtime import RealtimeFigures, realtime_table
from perf.server.results import BenchFigures
from perf.server.voices import BOUND, VoiceFigures
from perf.siege.figures import SiegeFigures

F = TypeVar("F")

AMX, ZEN3 = "xeon-amx-2-cores", "epyc-2-cores"
FULL, TINY, DEMO_VOICE = "dev-full", "tiny", "demo-voice"
CALLERS = (1, 8)
LEVEL = " at a time"
SIEGE = "dev-tiny"
NO_SIEGE = Table("Siege", ("a siege",), [("none is recorded yet",)])
JOB_SUBMISSION_MS, JOB_THROUGHPUT, JOB_WORKER_MB = 20, 0.95, 150
"""Goals of jobs: longest p99 of a submission, least share of direct callers' throughput, most memory of a worker."""


class Records:
    """The committed records, of which the newest of a subject counts."""

    def __init__(self) -> None:
        self._records = read_records([RESULTS])

    def newest(self, measurement: str, subject: str, machine: str | None = None) -> Record:
        """The newest record of a subject.

        Raises:
            MeasurementError: there is none.
        """
        of_subject = [
            record
            for record in self._records
            if (record.measurement, record.subject) == (measurement, subject)
            and machine in (None, record.conditions.machine)
        ]
        if not of_subject:
            raise MeasurementError(f"{RESULTS} has no record of {measurement}, {subject}, {machine or 'any machine'}")
        return max(of_subject, key=lambda record: record.conditions.started)

    def has(self, measurement: str, subject: str) -> bool:
        """Whether there is a record of a subject."""
        return any((record.measurement, record.subject) == (measurement, subject) for record in self._records)

    def figures(self, kind: type[F], measurement: str, subject: str, machine: str | None = None) -> F:
        """The figures of the newest record of a subject."""
        return self.newest(measurement, subject, machine).figures_as(kind)


def engines_table() -> Table:
    """Both models alone, at full size, beside fish-speech."""
    records = Records()
    kinds = (("full, bfloat16", AMX), ("full, float32", AMX), ("full, float32", ZEN3))
    lms = [records.figures(LmFigures, "lm", subject, machine) for subject, machine in kinds]
    amx, zen3 = (records.figures(CodecFigures, "codec", "full", machine) for machine in (AMX, ZEN3))
    codec_rtf = (amx.bf16_8_streams_20_frames_rtf, amx.fp32_8_streams_20_frames_rtf, zen3.fp32_8_streams_20_frames_rtf)
    rows = [
        ("1 stream, frames/s", *(figure(lm.batch1_frames_per_s, 1) for lm in lms)),
        ("8 streams, frames/s", *(figure(lm.batch8_frames_per_s, 1) for lm in lms)),
        ("fish-speech, frames/s", *(figure(lm.reference_frames_per_s, 1) for lm in lms)),
        ("codec, 8 streams, RTF", *(figure(rtf, 2) for rtf in codec_rtf)),
        ("fish-speech's codec, RTF", "-", figure(amx.reference_fp32_rtf, 2), figure(zen3.reference_fp32_rtf, 2)),
    ]
    return Table("Engines", ("", "AMX, bfloat16", "AMX, float32", "Zen 3, float32"), rows)


def weights_table() -> Table:
    """What int8 weights give and cost, beside bfloat16 in the same runs."""
    records = Records()
    lm = records.figures(LmFigures, "lm", f"{FULL}, bfloat16", AMX)
    rounded = {
        name: {model.weights: model for model in records.figures(RoundingFigures, "rounding", name, AMX).models}
        for name in (FULL, DEMO_VOICE)
    }
    rows = [
        ("1 stream, frames/s", figure(lm.batch1_frames_per_s, 1), figure(lm.int8_batch1_frames_per_s, 1)),
        ("8 streams, frames/s", figure(lm.batch8_frames_per_s, 1), figure(lm.int8_batch8_frames_per_s, 1)),
        ("prefill, a token", figure(lm.prefill_ms_per_token, 1, " ms"), figure(lm.int8_prefill_ms_per_token, 1, " ms")),
        ("weights", figure(lm.weights_mb, 0, " MB"), figure(lm.int8_weights_mb, 0, " MB")),
    ]
    for name, models in rounded.items():
        wide, narrow = models["bfloat16"], models["int8, bfloat16"]
        divergences = f"{wide.semantic_divergence:.5f}", f"{narrow.semantic_divergence:.5f}"
        semantic = f"{wide.semantic_agreement:.1%}", f"{narrow.semantic_agreement:.1%}"
        residual = f"{wide.residual_agreement:.1%}", f"{narrow.residual_agreement:.1%}"
        rows += [
            (f"{name}: divergence of the semantic head", *divergences),
            (f"{name}: same most probable semantic code", *semantic),
            (f"{name}: same most probable residual code", *residual),
        ]
    wide_words, narrow_words = (
        f"{records.figures(Hearing, 'hearing', f'{DEMO_VOICE}, {settings}').streamed.words:.1%}"
        for settings in ("dtype=bfloat16", "dtype=bfloat16, weights=int8")
    )
    rows.append((f"{DEMO_VOICE}: words heard right", wide_words, narrow_words))
    return Table("Weights", ("", "bfloat16", "int8"), rows)


def one_caller_table() -> Table:
    """One caller of a server on a CPU, by weights."""
    return realtime_table(Records().figures(RealtimeFigures, "realtime", FULL))


def server_table() -> Table:
    """What callers of a server get, by their number."""
    records = Records()
    rows = [
        (
            name,
            str(run.concurrency),
            figure(run.summary.audio_s_per_s, 2),
            figure(run.summary.first_audio_ms.p50, 0, " ms"),
            f"{run.summary.streams_with_underruns} of {run.summary.ok}",
        )
        for name in (FULL, TINY)
        for run in records.figures(BenchFigures, "bench", name, AMX).closed("calls")
        if run.concurrency in CALLERS
    ]
    columns = ("checkpoint", "callers", "audio s/s", "first audio p50", "streams with underruns")
    return Table("Server", columns, rows)


def added_table() -> Table:
    """What server, client and voice add, and how they compare with fish-speech."""
    records = Records()
    sizes = [records.figures(BenchFigures, "bench", name, AMX) for name in (FULL, TINY)]
    goals = zip(*(bench_goals(size) for size in sizes), strict=True)
    names = ("throughput / bare engines'", "added to first audio", "first audio p99 / p50, 8 callers")
    limits = (f"at least {MIN_SHARE_OF_BARE:.0%}", f"under {MAX_ADDED_MS:g} ms", f"at most {MAX_TAIL:g}")
    rows = [
        (name, *(f"{goal.brief}{'' if goal.is_met else ', **missed**'}" for goal in both), limit)
        for name, both, limit in zip(names, goals, limits, strict=True)
    ]
    references = [size.reference for size in sizes if size.reference]
    rows.append(("throughput / fish-speech's", *(f"{each.throughput_ratio:.1f}" for each in references), ""))
    rows.append(
        ("first audio / fish-speech's", *(f"1/{each.first_audio_ratio_together:.1f}" for each in references), "")
    )
    client = records.figures(ClientFigures, "client", "tiny")
    rows.append(("added by the client", "-", f"{client.added_async_ms:+.1f} ms", f"under {BOUND_MS:g} ms"))
    voice = records.figures(VoiceFigures, "voices", "full")
    rows.append(("first audio with / without a cached voice", f"{voice.ratio:.2f}", "-", f"at most {BOUND:g}"))
    return Table("Added", ("", FULL, TINY, "goal"), rows)


def load_table() -> Table:
    """Phases of the load test; those of a fixed number of callers together."""
    phases = Records().figures(LoadFigures, "load", "dev-tiny", AMX).phases
    levels = [phase for phase in phases if phase.name.removesuffix(LEVEL).isdecimal()]
    first, last = (levels[place].name.removesuffix(LEVEL) for place in (0, -1))
    groups = [
        (f"{first} to {last}{LEVEL}", levels),
        *((phase.name, [phase]) for phase in phases if phase not in levels),
    ]
    rows = [
        (
            name.partition(",")[0],
            str(sum(phase.requests for phase in group)),
            str(sum(phase.completed for phase in group)),
            str(sum(phase.refused for phase in group)),
            str(sum(phase.left for phase in group)),
            str(sum(phase.rejected for phase in group)),
            str(sum(len(phase.faults) for phase in group)),
        )
        for name, group in groups
    ]
    return Table("Load", ("phase", "requests", "complete", "refused", "left", "invalid", "faults"), rows)


def capacity_table() -> Table:
    """Servers by kind of GPU and share of its rates."""
    figures = Records().figures(CapacityFigures, "capacity", "modelled")
    shares = sorted({answer.efficiency for answer in figures.answers})
    answers = {(answer.kind, answer.efficiency): answer for answer in figures.answers}
    middle = shares[len(shares) // 2]
    rows = []
    for kind in dict.fromkeys(answer.kind for answer in figures.answers):
        fared = answers[kind, middle].fared
        servers = (str(answers[kind, share].servers or "-") for share in shares)
        rows.append((kind, *servers, f"{fared.completion_p50_s:.1f} / {fared.completion_p95_s:.1f} s"))
    columns = ("GPU", *(f"at {share:.0%}" for share in shares), f"completion p50 / p95 at {middle:.0%}")
    return Table("Capacity", columns, rows)


def simulation_table() -> Table:
    """The simulated server beside the real one."""
    recording = Records().figures(Recording, "capacity-record", "tiny")
    by_run: dict[str, list[str]] = {}
    for each in compare(recording):
        cell = f"{each.measured:.2f} / {each.simulated:.2f} ({each.difference:+.0%})"
        by_run.setdefault(each.run, []).append(cell)
    columns = ("measured / simulated", *(name.replace("_per_s", "/s").replace("_", " ") for name in COMPARED))
    return Table("Simulation", columns, [(run, *cells) for run, cells in by_run.items()])


def jobs_table() -> Table:
    """Jobs: submission, workers beside direct callers, memory, each with its goal."""
    records = Records()
    found = records.figures(JobFigures, "jobs", "stand-in")
    submitting, memory = found.submitting, found.memory
    if submitting is None or memory is None:
        raise MeasurementError("the record of jobs has no submission or no memory")
    cost, loads = "a server that costs nothing", found.load_averages
    rows = [
        (
            f"submission at {submitting.rate_per_s} jobs a second, p50 / p99 / longest",
            " / ".join(figure(ms, 1) for ms in (submitting.p50_ms, submitting.p99_ms, submitting.most_ms)) + " ms",
            f"p99 at most {JOB_SUBMISSION_MS:g} ms",
        ),
        ("the gateway's share of its core meanwhile", f"{submitting.gateway_cpu:.0%}", ""),
    ]
    sides = [(f"{cost}, {found.speedup:g} times real time", found.throughput)]
    if records.has("jobs", DEMO_VOICE):
        sides.append(("the demo voice", records.figures(RealJobFigures, "jobs", DEMO_VOICE).throughput))
    rows += [
        (
            f"throughput of a worker / of direct callers, {each.streams} streams, {name}",
            f"{each.ratio:.1%} ({each.least_ratio:.1%} to {each.most_ratio:.1%})",
            f"at least {JOB_THROUGHPUT:.0%}",
        )
        for name, throughput in sides
        for each in throughput
    ]
    rows += [
        (
            f"memory of a worker of {memory.streams} streams, idle / at work / most",
            " / ".join(figure(mb) for mb in (memory.idle_mb, memory.late_mb, memory.most_mb)) + " MB",
            f"at most {JOB_WORKER_MB} MB",
        ),
        (
            f"its growth between the first and the last fifth of {figure(memory.jobs)} jobs",
            f"{memory.late_mb - memory.early_mb:+.1f} MB",
            "none",
        ),
        ("CPU time of the worker for a job of 4 s", figure(memory.cpu_ms_a_job, 1, " ms"), ""),
        ("load of the machine before each part and at the end", " / ".join(f"{load:.1f}" for load in loads), ""),
    ]
    return Table("Jobs", ("", "measured", "goal"), rows)


def gateway_costs_table() -> Table:
    """What the gateway costs: the newest record of each server that it stood before."""
    records = Records()
    idle, real = records.newest("gateway", "stand-in"), records.newest("gateway", DEMO_VOICE)
    return gateway_table(
        idle.figures_as(GatewayFigures), idle.conditions, real.figures_as(RealFigures), real.conditions
    )


def day_figures() -> DayFigures:
    """The newest simulated day."""
    return Records().figures(DayFigures, "capacity-day", "modelled")


def siege_tables() -> tuple[Table, Table]:
    """Of the newest siege of full size; where there is none, of the newest small one, or of none."""
    records = Records()
    for subject in (SIEGE, f"{SIEGE}, small"):
        if records.has("siege", subject):
            record = records.newest("siege", subject)
            figures = record.figures_as(SiegeFigures)
            return siege_table(figures), siege_figures_table(figures, record.conditions)
    return NO_SIEGE, NO_SIEGE


TABLES: dict[str, Callable[[], Table]] = {
    "capacity-day": lambda: best_table(day_figures()),
    "capacity-day-calls": lambda: calls_table(day_figures()),
    "capacity-day-trouble": lambda: trouble_table(day_figures()),
    "capacity-day-checks": lambda: check_table(day_figures()),
    "capacity-day-thresholds": lambda: threshold_table(day_figures()),
    "performance-engines": engines_table,
    "performance-weights": weights_table,
    "performance-realtime": one_caller_table,
    "performance-server": server_table,
    "performance-added": added_table,
    "performance-load": load_table,
    "jobs-figures": jobs_table,
    "gateway-costs": gateway_costs_table,
    "siege-attacks": lambda: siege_tables()[0],
    "siege-figures": lambda: siege_tables()[1],
    "capacity-servers": capacity_table,
    "capacity-simulation": simulation_table,
}
"""By the name of the region that holds it."""
