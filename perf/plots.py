"""Pictures of a benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")  # files only: there may be no screen
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from perf.results import SizeResult

PROFILE_COLOURS = {"notes": "tab:blue", "calls": "tab:orange"}


@dataclass(frozen=True)
class Picture:
    """A file with a picture.

    Args:
        checkpoint: What it is about.
        title: What it shows.
        file: Where it is.
    """

    checkpoint: str
    title: str
    file: Path


def draw(sizes: Sequence[SizeResult], folder: Path, prefix: str) -> list[Picture]:
    """Draw everything that there are figures for."""
    pictures = []
    for size in sizes:
        pictures.append(_draw_closed(size, folder / f"{prefix}-{size.checkpoint}-concurrency.png"))
        if any(size.opened(profile) for profile in _profiles(size)):
            pictures.append(_draw_open(size, folder / f"{prefix}-{size.checkpoint}-arrivals.png"))
        if size.reference:
            pictures.append(_draw_reference(size, folder / f"{prefix}-{size.checkpoint}-reference.png"))
    return pictures


def _profiles(size: SizeResult) -> list[str]:
    return list(dict.fromkeys(run.profile for run in size.runs))


def _draw_closed(size: SizeResult, file: Path) -> Picture:
    """Throughput, first audio and what listeners heard, over the number of callers."""
    title = f"{size.checkpoint}: callers who each keep one stream open"
    _, (rate, first, heard) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for profile in _profiles(size):
        runs = size.closed(profile)
        callers = [run.concurrency for run in runs]
        colour = PROFILE_COLOURS[profile]
        rate.plot(callers, [run.summary.audio_s_per_s for run in runs], "o-", color=colour, label=profile)
        for style, name in (("o-", "p50"), ("^:", "p99")):
            times_ms = [getattr(run.summary.first_audio_ms, name) or float("nan") for run in runs]
            first.plot(callers, times_ms, style, color=colour, label=f"{profile}, {name}")
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
    return _save(size, title, file)


def _draw_open(size: SizeResult, file: Path) -> Picture:
    """First audio of people who come when they come."""
    title = f"{size.checkpoint}: Poisson arrivals"
    _, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    for profile in _profiles(size):
        runs = size.opened(profile)
        shares = [run.load_share * 100 for run in runs]
        for style, name in (("o-", "p50"), ("^:", "p95")):
            times_ms = [getattr(run.summary.first_audio_ms, name) or float("nan") for run in runs]
            axes.plot(shares, times_ms, style, color=PROFILE_COLOURS[profile], label=f"{profile}, {name}")
    _label(axes, "arrivals, % of the best closed-loop throughput", "first audio, ms")
    axes.set_yscale("log")
    return _save(size, title, file)


def _draw_reference(size: SizeResult, file: Path) -> Picture:
    """Ours and theirs side by side."""
    title = f"{size.checkpoint}: beside fish-speech 0.1.0"
    _, (rate, first) = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
    compared = size.reference
    assert compared is not None, "drawn only where there is one"
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
    return _save(size, title, file)


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _save(size: SizeResult, title: str, file: Path) -> Picture:
    figure = plt.gcf()
    figure.suptitle(title)
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return Picture(size.checkpoint, title, file)
