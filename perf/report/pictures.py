"""Pictures of records."""

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")  # files only: there may be no screen
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from perf.capacity.command import CapacityFigures
from perf.server.results import BenchFigures, ReferenceComparison
from perf.server.step import StepFigures

CAPACITY_COLOURS = ("#9ecae1", "#4292c6", "#084594")
PROFILE_COLOURS = {"notes": "tab:blue", "calls": "tab:orange"}


def draw_bench(name: str, size: BenchFigures, folder: Path) -> list[Path]:
    """Draw the pictures of a checkpoint's benchmark that there are figures for.

    Args:
        name: Of the checkpoint, for titles and files.
        size: Its figures.
        folder: Where the pictures go.
    """
    files = [_draw_closed(name, size, folder)]
    if any(size.opened(profile) for profile in _profiles(size)):
        files.append(_draw_open(name, size, folder))
    if size.reference:
        files.append(_draw_reference(name, size.reference, folder))
    return files


def _profiles(size: BenchFigures) -> list[str]:
    return list(dict.fromkeys(run.profile for run in size.runs))


def _draw_closed(name: str, size: BenchFigures, folder: Path) -> Path:
    """Throughput, first audio and what listeners heard, over the number of callers."""
    title = f"{name}: callers who each keep one stream open"
    _, (rate, first, heard) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for profile in _profiles(size):
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
    return _save(title, folder / f"bench-{_slug(name)}-concurrency.png")


def _draw_open(name: str, size: BenchFigures, folder: Path) -> Path:
    """First audio of people who come when they come."""
    title = f"{name}: Poisson arrivals"
    _, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    for profile in _profiles(size):
        runs = size.opened(profile)
        shares = [run.load_share * 100 for run in runs]
        for style, percentile in (("o-", "p50"), ("^:", "p95")):
            times_ms = [getattr(run.summary.first_audio_ms, percentile) or float("nan") for run in runs]
            axes.plot(shares, times_ms, style, color=PROFILE_COLOURS[profile], label=f"{profile}, {percentile}")
    _label(axes, "arrivals, % of the best closed-loop throughput", "first audio, ms")
    axes.set_yscale("log")
    return _save(title, folder / f"bench-{_slug(name)}-arrivals.png")


def _draw_reference(name: str, compared: ReferenceComparison, folder: Path) -> Path:
    """Ours and theirs side by side."""
    title = f"{name}: beside fish-speech 0.1.0"
    _, (rate, first) = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
    theirs = compared.reference.short_context
    names, colours = ["fish-speech 0.1.0", "this server"], ["tab:grey", "tab:blue"]
    bars = rate.bar(names, [theirs.audio_s_per_s, compared.together.audio_s_per_s], color=colours)
    rate.bar_label(bars, fmt="%.2f")
    rate.set_ylabel("seconds of sound a second, 8 callers")
    times_s = sorted(theirs.first_audio_s(8))
    ours_s = (compared.together.first_audio_ms.p50 or 0.0) / 1e3
    bars = first.bar(names, [times_s[len(times_s) // 2], ours_s], color=colours)
    first.bar_label(bars, fmt="%.2f")
    first.set_ylabel("first audio, s, 8 callers, median")
    return _save(title, folder / f"bench-{_slug(name)}-reference.png")


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _save(title: str, file: Path) -> Path:
    figure = plt.gcf()
    figure.suptitle(title)
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return file


def draw_capacity(figures: CapacityFigures, file: Path) -> Path:
    """Draw the number of servers by kind, and how completion times fall with it."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    counts, curves = figure.subplots(1, 2)
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
    for kind, by_count in figures.sweeps.items():
        curves.plot(list(by_count), [fared.completion_p95_s for fared in by_count.values()], marker=".", label=kind)
    curves.axhline(figures.question.goals.completion_p95_s, color="grey", linestyle=":", label="goal")
    curves.set_xlabel("servers")
    curves.set_ylabel("completion p95 of those served, s")
    curves.set_xscale("log")
    curves.set_ylim(bottom=0)
    curves.legend(fontsize=8)
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


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())
