"""What a report shows of a record: its tables and pictures, by measurement."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perf.capacity.command import CapacityFigures
from perf.capacity.day_command import DayFigures
from perf.capacity.hardware import GPUS
from perf.capacity.recording import Recording, compare
from perf.engine.step import StepFigures
from perf.load.load_test import LoadFigures
from perf.records import Record
from perf.report.bench_tables import HOW, bench_tables
from perf.report.day_tables import best_table, calls_table, check_table, draw_day, threshold_table, trouble_table
from perf.report.goals import Verdict, bench_goals
from perf.report.pictures import draw_bench, draw_capacity, draw_step
from perf.report.siege_tables import siege_figures_table, siege_table
from perf.report.tables import Table, figure
from perf.server.hearing import NUM_SEEDS, Hearing
from perf.server.results import BenchFigures
from perf.server.sides import SidesFigures
from perf.siege.figures import SiegeFigures


@dataclass(frozen=True)
class Section:
    """Part of a report.

    Args:
        tables: Its tables.
        pictures: Files of its pictures.
        note: What stands before them.
    """

    tables: list[Table]
    pictures: list[Path] = field(default_factory=list)
    note: str = ""


def section_of(record: Record, folder: Path) -> Section:
    """Tables of a record, and its pictures, which go into a folder."""
    make = _SECTIONS.get(record.measurement, _plain_section)
    return make(record, folder)


def _plain_section(record: Record, _folder: Path) -> Section:
    rows = [(name, _plain(value)) for name, value in record.figures.items()]
    return Section([Table("Figures", ("figure", "value"), rows)])


def _plain(value: Any) -> str:
    return figure(value, 3) if isinstance(value, float) else str(value)


def _bench_section(record: Record, folder: Path) -> Section:
    figures = record.figures_as(BenchFigures)
    kind = "random weights" if figures.is_development else "trained weights"
    settings = ", ".join(f"{name}={value}" for name, value in figures.settings.items()) or "the defaults"
    tables = [_goals_table(bench_goals(figures)), *bench_tables(figures)]
    return Section(
        [table for table in tables if table.rows],
        [draw_bench(record.subject, figures, _picture(record, folder))],
        f"{HOW}\n\nA checkpoint of {kind}; settings of server and bare engines: {settings}.",
    )


def _goals_table(goals: Iterable[Verdict]) -> Table:
    rows = [(goal.goal, goal.measured, "met" if goal.is_met else "**missed**") for goal in goals]
    return Table("Goals", ("goal", "measured", ""), rows)


def _hearing_section(record: Record, _folder: Path) -> Section:
    hearing = record.figures_as(Hearing)
    rows = [
        (name, f"{understood.words:.1%}", f"{understood.picks:.0%}")
        for name, understood in (
            ("espeak-ng's originals", hearing.original),
            ("streamed", hearing.streamed),
            ("in one answer", hearing.answered),
            ("the original of one sentence", hearing.original_seeded),
            (f"that sentence with {NUM_SEEDS} seeds", hearing.seeded),
        )
    ]
    note = (
        f"pocketsphinx on {hearing.sentences} held-out sentences, through a running server. Spoken sentences last"
        f" {hearing.mean_length:.2f} times their originals, at most {hearing.longest:.2f} times; {hearing.differing} of"
        " them differ between stream and answer."
    )
    heard = Table("Heard", ("audio", "words heard right", "picked among the others"), rows, note)
    return Section([heard])


def _load_section(record: Record, _folder: Path) -> Section:
    figures = record.figures_as(LoadFigures)
    phases = [
        (
            phase.name,
            str(phase.requests),
            str(phase.completed),
            str(phase.refused),
            str(phase.left),
            str(phase.rejected),
            figure(phase.seconds),
            figure(phase.audio_s_per_s, 1),
            figure(phase.first_audio_p50_ms, 0, " ms"),
        )
        for phase in figures.phases
    ]
    columns = ("phase", "requests", "complete and correct", "refused", "left", "bad, refused as such", "s", "audio s/s")
    memory = [
        (
            trend.name,
            figure(trend.start_mb, 1, " MB"),
            figure(trend.end_mb, 1, " MB"),
            f"{trend.slope_mb_per_min:+.2f} ± {trend.error_mb_per_min:.2f} MB/min",
        )
        for trend in figures.memory
    ]
    tables = [
        Table("Phases", (*columns, "first audio p50"), phases),
        Table(
            "Memory",
            ("process", "start", "end", "slope, linear regression"),
            memory,
            f"Over the soak without its warm-up; flat means at most {figures.slope_limit_mb_per_min:g} MB/min more.",
        ),
        Table("Faults", ("fault",), [(fault,) for fault in figures.faults]),
    ]
    passed = "Passed" if not figures.faults else f"Failed: {len(figures.faults)} faults"
    return Section([table for table in tables if table.rows], note=f"**{passed}.**")


def _step_section(record: Record, folder: Path) -> Section:
    figures = record.figures_as(StepFigures)
    total_s = sum(figures.parts.values())
    rows = [(name, f"{part_s * 1e3:.2f} ms", f"{part_s / total_s:.1%}") for name, part_s in figures.parts.items()]
    note = f"The step as it is served takes {figures.served_s * 1e3:.2f} ms, without the codec."
    table = Table(f"A decode step of {figures.rows} rows", ("part", "per step", "share"), rows, note)
    return Section([table], [draw_step(record.subject, figures, _picture(record, folder))])


def _capacity_section(record: Record, folder: Path) -> Section:
    figures = record.figures_as(CapacityFigures)
    peak, notes, goals = figures.question.peak, figures.question.notes, figures.question.goals
    asked = (
        f"{peak.requests:,.0f} requests in {peak.length_s / 60:g} minutes, {peak.peak_per_s * 60:,.0f} a minute at the "
        f"peak; speech of {notes.mean_s:g} s in the mean (standard deviation {notes.spread_s:g} s), "
        f"{notes.call_share:.0%} of them calls. Goals: first audio p95 within {goals.first_audio_p95_s:g} s, "
        f"completion p95 within {goals.completion_p95_s:g} s, at most {goals.refused_share:.1%} refused."
    )
    rows = [
        (
            answer.kind,
            f"{answer.efficiency:.0%}" if answer.kind in GPUS else "measured",
            str(answer.servers) if answer.servers else "goals not met by any number",
            str(answer.slots),
            f"{answer.fared.first_audio_p50_s:.2f} / {answer.fared.first_audio_p95_s:.2f} s",
            f"{answer.fared.completion_p50_s:.2f} / {answer.fared.completion_p95_s:.2f} s",
            f"{answer.fared.refused_share:.2%}",
            figure(answer.fared.mean_rows, 1),
        )
        for answer in figures.answers
    ]
    columns = ("server", "share of the data sheet's rates", "servers", "slots", "first audio p50 / p95")
    table = Table("Servers", (*columns, "completion p50 / p95", "refused", "mean rows"), rows, asked)
    note = (
        "Rows with a percentage are **modelled, not measured**: computed from data sheets at that share of the rates."
    )
    return Section([table], [draw_capacity(figures, _picture(record, folder))], note)


def _day_section(record: Record, folder: Path) -> Section:
    figures = record.figures_as(DayFigures)
    tables = [best_table(figures), threshold_table(figures), calls_table(figures), trouble_table(figures)]
    tables.append(check_table(figures))
    note = f"**Modelled, not measured.** Prices in {figures.prices.currency}: {figures.prices.note}"
    return Section(tables, [draw_day(figures, _picture(record, folder))], note)


def _recording_section(record: Record, _folder: Path) -> Section:
    rows = [
        (each.run, each.figure, figure(each.measured, 3), figure(each.simulated, 3), f"{each.difference:+.0%}")
        for each in compare(record.figures_as(Recording))
    ]
    columns = ("run", "figure", "measured", "simulated", "difference")
    return Section([Table("The simulated server beside the real one", columns, rows)])


def _picture(record: Record, folder: Path) -> Path:
    return folder / f"{record.measurement}-{re.sub(r'[^a-z0-9]+', '-', record.subject.lower())}.png"


def _siege_section(record: Record, _folder: Path) -> Section:
    figures = record.figures_as(SiegeFigures)
    lost = [Table("Lost", ("what",), [(what,) for what in figures.lost])] if figures.lost else []
    return Section([siege_table(figures), siege_figures_table(figures, record.conditions), *lost])


def _sides_section(record: Record, _folder: Path) -> Section:
    rows = [
        (
            each.name,
            f"{each.first_audio_ms:.1f} ms ({each.first_audio_more_ms:+.1f})",
            f"{each.short_cpu_ms:.1f} ms",
            f"{each.audio_s_per_s:.2f} s/s ({each.audio_ratio:.2f} x)",
            f"{each.cpu_s_per_audio_s * 1e3:.1f} ms ({each.cpu_ratio:.2f} x)",
        )
        for each in record.figures_as(SidesFigures).comparisons
    ]
    columns = ("server", "first audio", "CPU of a short stream", "sound of all callers", "CPU of a second of it")
    note = "Medians; in brackets the median of the pairs with the first server."
    return Section([Table("Servers in turns", columns, rows, note)])


_SECTIONS: dict[str, Callable[[Record, Path], Section]] = {
    "bench": _bench_section,
    "hearing": _hearing_section,
    "load": _load_section,
    "siege": _siege_section,
    "sides": _sides_section,
    "step": _step_section,
    "capacity": _capacity_section,
    "capacity-day": _day_section,
    "capacity-record": _recording_section,
}
