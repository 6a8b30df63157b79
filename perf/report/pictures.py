"""Pictures of records."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from perf.capacity.command import CapacityFigures
from perf.engine.step import StepFigures
from perf.server.results import BenchFigures

CAPACITY_COLOURS = ("#9ecae1", "#4292c6", "#084594")
PROFILE_COLOURS = {"notes": "tab:blue", "calls": "tab:orange"}


def draw_bench(name: str, size: BenchFigures, file: Path) -> Path:
    """Draw throughput, first audio and underruns over the number of callers.

    Args:
        name: Of the checkpoint.
        size: Its figures.
        file: PNG to write.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    rate, first, heard = figure.subplots(1, 3)
    for profile in dict.fromkeys(run.profile for run in size.runs):
        runs = size.closed(profile)
        callers = [run.concurrency for run in runs]
        colour = PROFILE_COLOURS[profile]
        rate.plot(callers, [run.summary.audio_s_per_s for run in runs], "o-", color=colour, label=profile)
        for style, percentile in (("o-", "p50"), ("^:", "p99")):
            times_ms = [getattr(run.summary.first_audio_ms, percentile) or float("nan") for run in runs]
            first.plot(callers, times_ms, style, color=colour, label=f"{profile}, {percentile}")
        shares = [run.summary.streams_with_underruns / max(run.summary.ok, 1) for run in runs]
        heard.plot(callers, shares, "o-", color=colour, label=profile)
    rate.axhline(1.0, color="grey", linewidth=0.8, linestyle="--")
    rate.annotate("one stream in real time", (1, 1.0), color="grey", fontsize=8, va="bottom")
    _label(rate, "callers", "seconds of sound a second")
    _label(first, "callers", "first audio, ms")
    _label(heard, "callers", "share of streams with an underrun")
    first.set_yscale("log")
    heard.set_ylim(-0.05, 1.05)
    for axes in (rate, first, heard):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
    figure.suptitle(f"{name}: callers who each keep one stream open")
    figure.savefig(file, dpi=110)
    return file


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def draw_capacity(figures: CapacityFigures, file: Path) -> Path:
    """Draw the number of servers by kind of GPU."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    counts = figure.subplots()
    kinds = list(dict.fromkeys(answer.kind for answer in figures.answers))
    shares = sorted({answer.efficiency for answer in figures.answers})
    width = 0.8 / len(shares)
    for place, share in enumerate(shares):
        by_kind = {answer.kind: answer.servers for answer in figures.answers if answer.efficiency == share}
        at = [kinds.index(kind) + (place - (len(shares) - 1) / 2) * width for kind in by_kind]
        bars = counts.bar(at, list(by_kind.values()), width, color=CAPACITY_COLOURS[place % 3], label=f"{share:.0%}")
        counts.bar_label(bars, fontsize=8)
    counts.set_xticks(range(len(kinds)), kinds)
    counts.set_ylabel("servers, one GPU each")
    counts.legend(title="of the data sheet's rates (modelled)", fontsize=8)
    peak, notes = figures.question.peak, figures.question.notes
    figure.suptitle(f"{peak.requests:,.0f} notes of {notes.mean_s:g} s in {peak.length_s / 60:g} minutes")
    figure.savefig(file, dpi=120)
    return file


def draw_step(name: str, figures: StepFigures, file: Path) -> Path:
    """Draw the parts of a decode step as bars."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(list(figures.parts), [part_s * 1e3 for part_s in figures.parts.values()], color="#4292c6")
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(f"ms a decode step of {figures.rows} rows, checkpoint {name}")
    axes.margins(x=0.1)
    figure.savefig(file, dpi=120)
    return file
