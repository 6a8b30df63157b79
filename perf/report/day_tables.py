"""Tables and the picture of a simulated day; they stand in docs/capacity.md and docs/kubernetes.md."""

from pathlib import Path

from matplotlib.figure import Figure
from perf.capacity.day_command import DayFigures
from perf.capacity.day_plan import SHRINKING, Tried
from perf.report.tables import Table, figure

GPU_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red")
STYLES = dict(zip(SHRINKING, ("-", "--"), strict=True))
SHOWN_GPU = "A10G"
"""Whose thresholds are shown: others look the same."""


def best_table(figures: DayFigures) -> Table:
    """The cheapest day for each kind of GPU and goal."""
    rows = []
    for found in figures.found:
        for goal_s, best in zip(figures.question.goals_s, found.best, strict=True):
            begin = (found.gpu, f"{goal_s:g} s")
            rows.append((*begin, *_cells(best), f"{found.fixed.cost:,.0f}") if best else (*begin, *"-----", "-"))
    columns = ("GPU", "95 % done within", "jobs a GPU", "timetable", "most engines", "waited p50 / p95 / p99", "a day")
    return Table("A day", (*columns, "most engines all day"), rows)


def _cells(tried: Tried) -> tuple[str, ...]:
    fared = tried.fared
    waited = " / ".join(figure(each, 0) for each in (fared.wait_p50_s, fared.wait_p95_s, fared.wait_p99_s))
    timetable = "yes" if tried.choice.has_timetable else "no"
    return (f"{tried.choice.threshold:g}", timetable, str(fared.most_pods), f"{waited} s", f"{fared.cost:,.0f}")


def threshold_table(figures: DayFigures) -> Table:
    """What thresholds do, with a timetable, for one kind of GPU."""
    found = next(each for each in figures.found if each.gpu == SHOWN_GPU)
    by_choice = {
        (each.choice.threshold, each.choice.shrinking): each for each in found.tried if each.choice.has_timetable
    }
    rows = []
    for threshold in dict.fromkeys(at for at, _ in by_choice):
        cells = [f"{threshold:g}"]
        for shrinking in SHRINKING:
            fared = by_choice[threshold, shrinking].fared
            cells += [f"{fared.done_p50_s:.0f} / {fared.done_p95_s:.0f} s", f"{fared.cost:,.0f}"]
        rows.append(tuple(cells))
    columns = [name for shrinking in SHRINKING for name in (f"{shrinking}: done p50 / p95", "a day")]
    return Table(f"Thresholds, {SHOWN_GPU}", ("jobs a GPU", *columns), rows)


def trouble_table(figures: DayFigures) -> Table:
    """Days on which something goes wrong, for one kind of GPU."""
    rows = []
    for gone in figures.suffered:
        if gone.gpu != SHOWN_GPU:
            continue
        fared = gone.fared
        what = "calls" if gone.plan == "calls" else f"jobs, {gone.plan}"
        waited = " / ".join(f"{each:,.0f}" for each in (fared.wait_p50_s, fared.wait_p95_s, fared.wait_p99_s))
        late = f"{fared.late_share:.1%}"
        rows.append((what, gone.case, f"{waited} s", late, f"{fared.refused_share:.2%}", f"{fared.cost:,.0f}"))
    columns = ("plan", "what goes wrong", "waited p50 / p95 / p99", "over 1 s", "refused", "a day")
    return Table(f"When something goes wrong, {SHOWN_GPU}", columns, rows)


def calls_table(figures: DayFigures) -> Table:
    """Calls: what each threshold does."""
    rows = []
    for found in figures.calls:
        cells = [found.gpu, str(found.most)]
        for share in figures.calls_question.shares:
            fared = next(each.fared for each in found.tried if each.share == share and not each.has_timetable)
            cells.append(f"{fared.late_share:.1%} / {fared.cost:,.0f}")
        rows.append((*cells, f"{found.fixed.cost:,.0f}"))
    shares = tuple(f"{share:g}" for share in figures.calls_question.shares)
    return Table("Calls", ("GPU", "most engines", *shares, "most engines all day"), rows)


def check_table(figures: DayFigures) -> Table:
    """The day's reckoning beside the simulation step by step."""
    rows = [
        (
            each.gpu,
            each.load,
            f"{each.step.completion_p50_s:.1f} / {each.day.done_p50_s:.1f} s",
            f"{each.step.completion_p95_s:.1f} / {each.day.done_p95_s:.1f} s",
        )
        for each in figures.checks
    ]
    return Table("Step by step / reckoned", ("GPU", "load of one engine", "done p50", "done p95"), rows)


def draw_day(figures: DayFigures, file: Path) -> Path:
    """Draw engines over the day, and the cost of each threshold."""
    picture = Figure(figsize=(12, 4), layout="constrained")
    engines, costs = picture.subplots(1, 2)
    for found, colour in zip(figures.found, GPU_COLOURS, strict=False):
        ready = found.minutes.get("ready", [])
        engines.step([minute / 60 for minute in range(len(ready))], ready, color=colour, label=found.gpu)
        for shrinking, style in STYLES.items():
            tried = [each for each in found.tried if each.choice.has_timetable and each.choice.shrinking == shrinking]
            shares = [each.choice.threshold / figures.question.slots for each in tried]
            label = f"{found.gpu}, {shrinking}"
            costs.plot(shares, [each.fared.cost for each in tried], style, color=colour, marker=".", label=label)
    engines.set_yscale("log")
    engines.set_xlabel("hour")
    engines.set_ylabel(f"engines ready: 95 % done within {figures.question.goals_s[0]:g} s")
    costs.set_xscale("log", base=2)
    costs.xaxis.set_major_formatter("{x:g}")
    costs.set_xlabel("threshold: jobs a GPU, over its slots")
    costs.set_ylabel(f"{figures.prices.currency} a day, with a timetable")
    for axes in (engines, costs):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    picture.savefig(file, dpi=90)
    return file
