"""The planner's answers as a Markdown page and a plot."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from perf.capacity_hardware import GPUS
from perf.capacity_plan import Answer, Question
from perf.capacity_run import Fared

mpl.use("agg")

BARS = ("#9ecae1", "#4292c6", "#084594")


def question_in_words(question: Question) -> str:
    """What was asked, in a sentence or two."""
    peak, notes, goals = question.peak, question.notes, question.goals
    return (
        f"{peak.requests:,.0f} requests in {peak.length_s / 60:g} minutes, {peak.peak_per_s * 60:,.0f} a minute at the "
        f"peak; speech of {notes.mean_s:g} s in the mean (standard deviation {notes.spread_s:g} s), "
        f"{notes.call_share:.0%} of them calls. Goals: first audio p95 within {goals.first_audio_p95_s:g} s, "
        f"completion p95 within {goals.completion_p95_s:g} s, at most {goals.refused_share:.1%} refused."
    )


def to_markdown(question: Question, answers: Sequence[Answer], command: str) -> str:
    """A page with a table of the answers, a row a kind of GPU."""
    lines = ["# Capacity", "", question_in_words(question), "", f"`{command}`", ""]
    lines += _table(answers)
    if any(answer.kind in GPUS for answer in answers):
        lines += [
            "",
            "**Modelled, not measured**: rows with a percentage are computed from data sheets at that share of their "
            "rates. The last columns tell how the callers of one such server fare, with its share of all of them.",
        ]
    return "\n".join(lines) + "\n"


def _table(answers: Sequence[Answer]) -> list[str]:
    lines = [
        "| server | share of the data sheet's rates | servers | slots | first audio p50 / p95 | completion p50 / p95 |"
        " refused | mean rows |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for answer in answers:
        fared = answer.fared
        share = f"{answer.efficiency:.0%}" if answer.kind in GPUS else "measured"
        servers = str(answer.servers) if answer.servers else "goals not met by any number"
        lines.append(
            f"| {answer.kind} | {share} | {servers} | {answer.slots} | "
            f"{fared.first_audio_p50_s:.2f} / {fared.first_audio_p95_s:.2f} s | "
            f"{fared.completion_p50_s:.2f} / {fared.completion_p95_s:.2f} s | "
            f"{fared.refused_share:.2%} | {fared.mean_rows:.1f} |"
        )
    return lines


def plot(question: Question, answers: Sequence[Answer], sweeps: dict[str, dict[int, Fared]], file: Path) -> None:
    """Draw the number of servers by kind, and how completion times fall with it.

    Args:
        question: What was asked.
        answers: Answers, those of a kind one after the other.
        sweeps: By kind: callers' luck by number of servers.
        file: PNG to write.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    counts, curves = figure.subplots(1, 2)
    kinds = list(dict.fromkeys(answer.kind for answer in answers))
    shares = sorted({answer.efficiency for answer in answers})
    width = 0.8 / len(shares)
    for place, share in enumerate(shares):
        by_kind = {answer.kind: answer.servers for answer in answers if answer.efficiency == share}
        at = [kinds.index(kind) + (place - (len(shares) - 1) / 2) * width for kind in by_kind]
        bars = counts.bar(at, list(by_kind.values()), width, color=BARS[place % 3], label=f"{share:.0%}")
        counts.bar_label(bars, fontsize=8)
    counts.set_xticks(range(len(kinds)), kinds)
    counts.set_ylabel("servers, one GPU each")
    counts.legend(title="of the data sheet's rates (modelled)", fontsize=8)
    for kind, by_count in sweeps.items():
        curves.plot(list(by_count), [fared.completion_p95_s for fared in by_count.values()], marker=".", label=kind)
    curves.axhline(question.goals.completion_p95_s, color="grey", linestyle=":", label="goal")
    curves.set_xlabel("servers")
    curves.set_ylabel("completion p95 of those served, s")
    curves.set_xscale("log")
    curves.set_ylim(bottom=0)
    curves.legend(fontsize=8)
    figure.suptitle(
        f"{question.peak.requests:,.0f} notes of {question.notes.mean_s:g} s in {question.peak.length_s / 60:g} minutes"
    )
    figure.savefig(file, dpi=120)
